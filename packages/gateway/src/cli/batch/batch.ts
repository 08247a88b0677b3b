import type { Command } from 'commander'
import { addBatchRunCommand } from './run.ts'
import { addBatchStatusCommand } from './status.ts'

export function addBatchCommand(program: Command): void {
  const batch = program
    .command('batch')
    .description('run a file of calls so that a restart pays for nothing twice; see docs/batch.md')
  addBatchRunCommand(batch)
  addBatchStatusCommand(batch)
}
