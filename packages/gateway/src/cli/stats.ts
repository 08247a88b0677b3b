import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { Stats } from '../ledger/stats.ts'
import { statsText } from './stats-text.ts'

interface StatsFlags {
  readonly admin: string
  readonly adminToken?: string
  readonly json?: boolean
}

/** The gateway may bring counts to its store first. */
const answersWithinMs = 15_000

export function addStatsCommand(program: Command): void {
  const command = program
    .command('stats')
    .description('what a running gateway has spent, saved and seen, by its admin API')
    .allowExcessArguments(false)
    .addOption(
      new Option('--admin <url>', "the gateway's admin listener")
        .default('http://127.0.0.1:8788')
        .env('RETRYSAFE_ADMIN'),
    )
    .addOption(
      new Option('--admin-token <token>', "serve's; also in the file that RETRYSAFE_ADMIN_TOKEN_FILE names").env(
        'RETRYSAFE_ADMIN_TOKEN',
      ),
    )
    .addOption(new Option('--json', 'as one line of JSON'))
  command.action((flags: StatsFlags) => run(command, flags))
}

async function run(command: Command, { admin, adminToken, json = false }: StatsFlags): Promise<void> {
  if (!/^https?:\/\//i.test(admin) || !URL.canParse(admin)) {
    return command.error('--admin: it takes a URL such as http://127.0.0.1:8788')
  }
  const token = adminToken || tokenFile(command)
  const stats = await ask(new URL('/api/v1/stats', admin), token)
  process.stdout.write(json ? `${JSON.stringify(stats)}\n` : statsText(stats))
}

/** A secret may stand in a file, so that it shows in no process list. */
function tokenFile(command: Command): string | undefined {
  const path = process.env.RETRYSAFE_ADMIN_TOKEN_FILE
  if (path === undefined || path === '') return undefined
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    return command.error(`RETRYSAFE_ADMIN_TOKEN_FILE: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function ask(url: URL, token: string | undefined): Promise<Stats> {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` }
  // A redirect could carry the token elsewhere.
  const terms = { headers, redirect: 'error', signal: AbortSignal.timeout(answersWithinMs) } as const
  const response = await fetch(url, terms).catch(error => {
    const { cause = error } = Object(error)
    throw new Error(`no gateway answers at ${url.origin}: ${Reflect.get(Object(cause), 'code') ?? String(cause)}`)
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${url.origin} answered ${response.status}: ${text.slice(0, 300)}`)
  try {
    return JSON.parse(text) as Stats
  } catch {
    throw new Error(
      `${url.origin} is no admin listener of Retrysafe: it takes the URL of --admin-host and --admin-port`,
    )
  }
}
