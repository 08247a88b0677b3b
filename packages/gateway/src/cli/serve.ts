import type { Command } from 'commander'
import { printConfig } from '../config/printed-config.ts'
import { startGateway } from '../gateway.ts'
import { addServeFlags, isToPrint, settingsOf } from './flag-options.ts'
import { endSoon, endWithParent, ready } from './process.ts'

export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('run the gateway; each flag can also be set as RETRYSAFE_<FLAG>, and in a configuration file')
    .allowExcessArguments(false)
  addServeFlags(command)
  command.action(async () => {
    const settings = await settingsOf(command)
    if (isToPrint(command)) {
      const text = `${JSON.stringify(printConfig(settings), undefined, 2)}\n`
      // A program that gave the configuration may have left a timer or a connection behind.
      process.stdout.write(text, endSoon)
      return
    }
    const { config } = settings
    const gateway = await startGateway(config, message => process.stderr.write(`retrysafe: ${message}\n`))
    let stops = 0

    async function stop(): Promise<void> {
      stops++
      if (stops > 1) return end(1)
      process.stderr.write('retrysafe: draining: no new requests, running work is finished; again to end at once\n')
      const finished = await gateway.drain()
      // What a second signal gives up is not running any more, but that is no good order.
      if (stops > 1) return
      if (!finished) process.stderr.write('retrysafe: the drain took longer than --drain; leases are given up\n')
      await end(finished ? 0 : 1)
    }

    async function end(code: number): Promise<void> {
      // The store may be what hangs.
      setTimeout(() => process.exit(code), 2_000).unref()
      await gateway.close()
      process.exit(code)
    }

    process.on('SIGTERM', () => void stop())
    process.on('SIGINT', () => void stop())
    endWithParent(() => void stop())
    ready({ url: gateway.url, admin: gateway.admin, store: gateway.store })
  })
}
