import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { endSoon } from './process.ts'

type AddCommand = (program: Command) => void

/** Most of a start is loading: a command that is asked for comes without the others. */
const commands: ReadonlyMap<string, () => Promise<AddCommand>> = new Map([
  ['serve', async () => (await import('./serve.ts')).addServeCommand],
  ['sandbox', async () => (await import('./sandbox.ts')).addSandboxCommand],
  ['migrate', async () => (await import('./migrate.ts')).addMigrateCommand],
  ['stats', async () => (await import('./stats.ts')).addStatsCommand],
  ['batch', async () => (await import('./batch/batch.ts')).addBatchCommand],
  ['doctor', async () => (await import('./doctor.ts')).addDoctorCommand],
])

/** Runs the command line. Exit codes: 0 done, 1 failed, 2 wrong usage. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('retrysafe')
    .description('Makes every AI call safe to retry: one key, one outcome.')
    .version(version())
    .showHelpAfterError(false)
    .configureOutput({ outputError: (text, write) => write(`retrysafe: ${oneLine(text)}\n`) })
  program.exitOverride()
  const asked = commands.get(argv[0] ?? '')
  const loading = asked === undefined ? [...commands.values()] : [asked]
  for (const add of await Promise.all(loading.map(load => load()))) add(program)
  for (const command of program.commands) command.exitOverride().copyInheritedSettings(program)
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) return fail(error)
    // Asked for help or version: commander ends with 0 there.
    process.exitCode = error.exitCode === 0 ? 0 : 2
  }
}

/** One line that says what happened, and exit 1; wrong configuration is wrong usage, exit 2. */
function fail(error: unknown): void {
  const invalid = error instanceof Error && Reflect.get(error, 'code') === 'CONFIG_INVALID'
  process.stderr.write(`retrysafe: ${oneLine(explain(error))}\n`)
  process.exitCode = invalid ? 2 : 1
  endSoon()
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  switch (Reflect.get(error, 'code')) {
    case 'EADDRINUSE':
      return `port ${Reflect.get(error, 'port')} on ${Reflect.get(error, 'address')} is taken; choose another with --port or --admin-port`
    case 'EACCES':
      return `no right to listen on port ${Reflect.get(error, 'port')}; choose one above 1023`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `this machine has no address ${Reflect.get(error, 'address') ?? Reflect.get(error, 'hostname')}; look at --host and --admin-host`
    default:
      return error.message
  }
}

function oneLine(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return String(Reflect.get(Object(manifest), 'version'))
}
