import { type Command, Option } from 'commander'
import { examineStore } from 'retrysafe/internal/stores/doctor'
import type { Finding } from 'retrysafe/internal/stores/finding'
import { endSoon } from './process.ts'

interface DoctorFlags {
  readonly store?: string
  readonly schema?: string
  readonly json?: boolean
}

export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description(
      'look whether a store holds what it promises, and say what to do; changes nothing. Exit 1: something failed',
    )
    .allowExcessArguments(false)
    .addOption(new Option('--store <url>', 'as for serve').env('RETRYSAFE_STORE'))
    .addOption(new Option('--schema <name>', "of a PostgreSQL store; default: the URL's ?schema=NAME, or retrysafe"))
    .addOption(new Option('--json', 'the findings as one line of JSON'))
  command.action((flags: DoctorFlags) => run(command, flags))
}

async function run(command: Command, { store, schema, json = false }: DoctorFlags): Promise<void> {
  // An empty variable says nothing.
  if (store === undefined || store === '') {
    return command.error('--store or RETRYSAFE_STORE is missing: it takes what serve takes')
  }
  const findings = await examineStore(store, schema === undefined ? {} : { schema })
  const failed = countOf(findings, 'failed')
  const lines = json ? [JSON.stringify({ event: 'examined', ok: failed === 0, findings })] : textOf(findings)
  process.stdout.write(`${lines.join('\n')}\n`)
  if (failed > 0) process.exitCode = 1
  endSoon()
}

function textOf(findings: readonly Finding[]): string[] {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const lines = findings.map(({ check, level, says, cure }) => {
    const todo = cure === undefined ? '' : `. Do: ${cure}`
    return `${level.padEnd(7)}  ${check.padEnd(width)}  ${says}${todo}`
  })
  const warnings = counted(countOf(findings, 'warning'), 'warning')
  return [...lines, `${counted(findings.length, 'check')}: ${countOf(findings, 'failed')} failed, ${warnings}`]
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function countOf(findings: readonly Finding[], level: Finding['level']): number {
  return findings.filter(finding => finding.level === level).length
}
