import type { Command } from 'commander'
import { Option } from 'commander'
import { readBatchStatus } from 'retrysafe/internal/batch/file/status-file'
import { registryFolder } from './registry.ts'
import { addFlag, settingOf, storeFlag } from './run-flags.ts'
import { statusText } from './status-text.ts'

const examples = `
Examples:
  $ retrysafe batch status nightly-2026-11-23
  $ retrysafe batch status out.jsonl --json`

export function addBatchStatusCommand(batch: Command): void {
  const command = batch
    .command('status')
    .description(
      'how far a batch is, whether it runs, was killed or has ended; by its id or by the file that it writes',
    )
    .argument('<id-or-output>', 'what --batch-id said, or the file of --out')
    .allowExcessArguments(false)
  addFlag(command, storeFlag)
  command.addOption(new Option('--json', 'as one line of JSON')).addHelpText('after', examples)
  command.action((ref: string) => show(command, ref))
}

async function show(command: Command, ref: string): Promise<void> {
  const folder = registryFolder(settingOf(command, storeFlag) as string)
  const status = await readBatchStatus(ref, [folder])
  // Who reads along may leave.
  process.stdout.on('error', () => {})
  const { json = false } = command.opts<{ json?: boolean }>()
  process.stdout.write(json ? `${JSON.stringify(status)}\n` : statusText(status))
}
