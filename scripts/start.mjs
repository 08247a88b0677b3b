import { join } from 'node:path'
import { prepareOrExit, root } from './prepare.mjs'
import { startService } from './service.mjs'
import { exitCodeOf, onStopSignals } from './stop-signals.mjs'
import { welcomeToSandbox, welcomeToUpstream } from './welcome.mjs'

const bin = join('packages', 'gateway', 'bin', 'retrysafe.js')

// Whoever waited for the ready line may close the pipe; that is no reason for a server to end.
process.stdout.on('error', () => {})
await prepareOrExit()
/** Why all of it is to end, the service that is to hear of a signal, and the exit code if it is not the gateway's. */
const stop = { signal: undefined, service: undefined, exitCode: undefined }
onStopSignals(signal => {
  stop.signal ??= signal
  stop.service?.terminate()
})
process.exit(await run(process.argv.slice(2)))

/** Sandbox (unless there is a real upstream), gateway, welcome; then waits for the end, and answers its exit code. */
async function run(flags) {
  const upstream = findUpstream(flags)
  const sandbox = upstream ? undefined : startSandbox()
  stop.service = sandbox
  const sandboxReady = await sandbox?.ready
  if (sandbox && (!sandboxReady || stop.signal)) return giveUpOnSandbox(sandbox)

  const gateway = startGateway(sandboxReady, flags)
  stop.service = gateway
  const ready = await gateway.ready
  if (ready) greet({ ready, upstream, sandbox: sandboxReady?.url, flags })

  if (sandbox) endWithSandbox(sandbox, gateway)
  const end = await gateway.ended
  if (!stop.signal && ready) say(`the gateway ended unexpectedly (${describeEnd(end)})`)
  stop.signal ??= 'SIGTERM'
  await sandbox?.end()
  return stop.exitCode ?? end.exitCode
}

function startSandbox() {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RETRYSAFE_')))
  return startService(bin, ['sandbox', '--port', process.env.RETRYSAFE_SANDBOX_PORT || '9090'], { cwd: root, env })
}

function startGateway(sandboxReady, flags) {
  const upstream = sandboxReady ? ['--upstream', sandboxReady.url] : []
  return startService(bin, ['serve', ...upstream, ...flags], { cwd: root, env: process.env })
}

async function giveUpOnSandbox(sandbox) {
  await sandbox.end()
  const { exitCode } = await sandbox.ended
  if (stop.signal) return exitCodeOf(stop.signal)
  say('the sandbox did not start; RETRYSAFE_SANDBOX_PORT gives it another port, 0 picks a free one')
  return exitCode || 1
}

function greet({ ready, upstream, sandbox, flags }) {
  const urls = { gateway: ready.url, admin: ready.admin }
  const needsAdminToken = hasFlag(flags, 'admin-token') || hasFlag(flags, 'admin-token-file')
  const text = upstream
    ? welcomeToUpstream({ ...urls, upstream, needsAdminToken })
    : welcomeToSandbox({ ...urls, sandbox })
  process.stdout.write(`${text}${ready.line}\n`)
}

/** A gateway without its upstream is of no use: when the sandbox ends, it ends too. */
async function endWithSandbox(sandbox, gateway) {
  const end = await sandbox.ended
  if (stop.signal) return
  say(`the sandbox ended unexpectedly (${describeEnd(end)})`)
  stop.signal = 'SIGTERM'
  stop.exitCode = 1
  gateway.terminate()
}

function describeEnd({ code, signal }) {
  return signal ?? `exit code ${code}`
}

/** The first upstream that is given: a flag beats the environment, as in the gateway. */
function findUpstream(flags) {
  const at = flags.findIndex(flag => flag === '--upstream' || flag.startsWith('--upstream='))
  if (at < 0) return process.env.RETRYSAFE_UPSTREAM?.trim().split(/\s+/)[0]
  return flags[at].split('=').slice(1).join('=') || flags[at + 1] || 'none'
}

function hasFlag(flags, name) {
  const variable = `RETRYSAFE_${name.toUpperCase().replaceAll('-', '_')}`
  return Boolean(process.env[variable]) || flags.some(flag => flag === `--${name}` || flag.startsWith(`--${name}=`))
}

function say(line) {
  process.stderr.write(`${line}\n`)
}
