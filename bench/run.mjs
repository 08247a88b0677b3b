// npm run bench [-- --seconds 5 --repeats 3 --only replay]: each row beside its raw limit in the same run.
import { parseArgs } from 'node:util'
import { isMissed, missedLine, summarise, table, writeResult } from './report.mjs'
import { batchRows } from './rows/batch.mjs'
import { clientRows } from './rows/client.mjs'
import { fingerprintRows } from './rows/fingerprint.mjs'
import { memoryGatewayRows } from './rows/gateway.mjs'
import { postgresRows } from './rows/postgres.mjs'
import { redisRows } from './rows/redis.mjs'

const rows = [...memoryGatewayRows, ...clientRows, ...fingerprintRows, ...batchRows, ...postgresRows, ...redisRows]

const help = `npm run bench -- [flags]
  --seconds N   of each measurement, 0.1 to 60 (default 5)
  --repeats N   of each pair, 1 to 20 (default 3); medians are reported
  --only TEXT   rows whose name holds it
  --records N   among how many records claims are measured, 1000 to 10000000 (default 100000)
  --out FILE    where the figures go (default bench/results/all.json; with --only nowhere)
  --check       exit 1 when a row misses its goal`

const values = readFlags()

if (values.help) {
  process.stdout.write(`${help}\n`)
  process.exit(0)
}

const settings = {
  seconds: boundedSeconds(),
  repeats: bounded('repeats', 1, 20),
  records: bounded('records', 1_000, 10_000_000),
}
const chosen = rows.filter(row => row.name.includes(values.only))
if (chosen.length === 0)
  usage(`no row holds ${JSON.stringify(values.only)}: there are ${rows.map(row => row.name).join(' and ')}`)

const summaries = []
const allRuns = {}
for (const row of chosen) {
  process.stderr.write(`${row.name}: ${settings.repeats} times\n`)
  const runs = await row.run(settings)
  allRuns[row.name] = runs
  summaries.push(summarise(row, runs))
}
const out = values.out || (values.only === '' ? 'bench/results/all.json' : '')
if (out !== '') writeResult(out, summaries, allRuns, settings)
process.stdout.write(`${table(summaries)}\n`)
const missed = summaries.filter(isMissed)
for (const summary of missed) process.stderr.write(`missed: ${missedLine(summary)}\n`)
if (values.check && missed.length > 0) process.exitCode = 1

function readFlags() {
  try {
    return parseArgs({
      options: {
        seconds: { type: 'string', default: '5' },
        repeats: { type: 'string', default: '3' },
        only: { type: 'string', default: '' },
        records: { type: 'string', default: '100000' },
        out: { type: 'string', default: '' },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    return usage(`${error.message}\n${help}`)
  }
}

function bounded(name, least, most) {
  const number = Number(values[name])
  if (!Number.isInteger(number) || number < least || number > most)
    usage(`--${name} takes a whole number from ${least} to ${most}`)
  return number
}

function boundedSeconds() {
  const seconds = Number(values.seconds)
  if (seconds >= 0.1 && seconds <= 60) return seconds
  return usage('--seconds takes a number from 0.1 to 60')
}

function usage(message) {
  process.stderr.write(`bench: ${message}\n`)
  process.exit(2)
}
