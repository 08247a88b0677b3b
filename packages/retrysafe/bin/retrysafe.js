#!/usr/bin/env node
// Thin on purpose: the library has no dependencies, so the command line lives in a package of its own.
try {
  await import('@retrysafe/gateway/cli')
} catch (error) {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND' || !String(error.message).includes("'@retrysafe/gateway'")) throw error
  process.stderr.write('retrysafe: the command line is a package of its own: npm install @retrysafe/gateway\n')
  process.exitCode = 1
}
