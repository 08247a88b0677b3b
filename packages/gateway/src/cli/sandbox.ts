import { type Command, InvalidArgumentError, Option } from 'commander'
import { guideText } from '../sandbox/catalogue.ts'
import { parseFaults } from '../sandbox/faults.ts'
import { type SandboxOptions, startSandbox } from '../sandbox/server.ts'
import { endWithParent, ready } from './process.ts'

export function addSandboxCommand(program: Command): void {
  program
    .command('sandbox')
    .description('run a metered fake provider with faults on demand')
    .allowExcessArguments(false)
    .addOption(new Option('--host <host>', 'address to listen on').default('127.0.0.1'))
    .addOption(new Option('--port <port>', 'port to listen on; 0 picks one').default(9090).argParser(readPort))
    .addOption(
      new Option('--fault <faults>', 'for every call without a Sandbox-Fault header, such as delay=2s').argParser(
        readFault,
      ),
    )
    .addOption(new Option('--meter-file <path>', 'also write every counted call there, a line of JSON each'))
    .addOption(new Option('--idempotent', 'answer a repeated Idempotency-Key again, without a run'))
    .addHelpText('after', `\n${guideText()}`)
    .action(async (options: SandboxOptions) => {
      const sandbox = await startSandbox(options)
      const end = (): void => {
        void sandbox.close().then(() => process.exit(0))
      }
      process.on('SIGTERM', end)
      process.on('SIGINT', end)
      endWithParent(end)
      ready({ url: sandbox.url })
    })
}

function readPort(value: string): number {
  if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535) return Number(value)
  throw new InvalidArgumentError('it takes a whole number from 0 to 65535')
}

function readFault(value: string): string {
  const reading = parseFaults(value)
  if (reading.kind === 'invalid') throw new InvalidArgumentError(reading.message)
  return value
}
