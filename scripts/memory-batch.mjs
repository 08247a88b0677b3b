import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { prepareOrExit, root } from './prepare.mjs'

/**
 * `npm run memory:batch [-- --megabytes 100,1000 --line 20000]`: the peak memory of `retrysafe batch run` on inputs of
 * these sizes, in lines of so many bytes, before an upstream that answers at once. What counts is a process's own memory
 * (RssAnon): the pages of the store's file that it has mapped (RssFile) are the system's cache, which it takes back
 * whenever somebody wants the room, and grow with the file. Exit 1 where the largest needs over 1.2 times the smallest.
 */
const usage = 'npm run memory:batch [-- --megabytes 100,1000 --line 20000 --concurrency 16]'
const { sizes, lines, concurrency } = readOptions()
const bin = join(root, 'packages', 'gateway', 'bin', 'retrysafe.js')
const said = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content: 'word '.repeat(100) }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 4_000, completion_tokens: 100, total_tokens: 4_100 },
})

await prepareOrExit()
const upstream = await startUpstream()
let isFlat = true
try {
  for (const lineBytes of lines) {
    const runs = []
    for (const megabytes of sizes) runs.push(await measure(megabytes, lineBytes))
    isFlat = compare(runs[0], runs.at(-1)) && isFlat
  }
} finally {
  upstream.close()
  upstream.closeAllConnections()
}
process.exit(isFlat ? 0 : 1)

/** @returns whether the larger input needs no more memory than the smaller one, but for a fifth */
function compare(small, large) {
  const ratio = name => (large[name] / small[name]).toFixed(2)
  const whole = `with the store's mapped pages × ${ratio('all')}`
  say(`${large.megabytes} MB against ${small.megabytes} MB: own memory × ${ratio('anon')}, ${whole}`)
  return large.anon <= 1.2 * small.anon
}

async function measure(megabytes, lineBytes) {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-memory-'))
  try {
    const input = join(folder, 'in.jsonl')
    const output = join(folder, 'out.jsonl')
    const items = writeInput(input, megabytes * 1_000_000, lineBytes)
    const startMs = performance.now()
    const peak = await runBatch(input, output, folder)
    const seconds = (performance.now() - startMs) / 1_000
    const whole = countLines(output)
    if (whole !== items) throw new Error(`${whole} outputs of ${items} items`)
    const mb = bytes => `${(bytes / 1e6).toFixed(0)} MB`
    say(
      `${megabytes} MB in ${items} lines of ${lineBytes} bytes: own memory at most ${mb(peak.anon)}, mapped files ${mb(peak.file)}, ` +
        `both (VmHWM) ${mb(peak.all)}; ${seconds.toFixed(1)} s, ${Math.round(items / seconds)} items/s`,
    )
    return { megabytes, ...peak }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs the command to its end. @returns its peaks in bytes */
async function runBatch(input, output, folder) {
  const url = `http://127.0.0.1:${upstream.address().port}`
  const store = `lmdb:${join(folder, 'store')}`
  const args = [input, '--out', output, '--base-url', url, '--store', store, '--concurrency', concurrency]
  const child = spawn(process.execPath, [bin, 'batch', 'run', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr = (stderr + text).slice(-4_000)
  })
  const peak = { anon: 0, file: 0, all: 0 }
  const timer = setInterval(() => readPeak(child.pid, peak), 20)
  const code = await new Promise(resolve => child.once('close', resolve))
  clearInterval(timer)
  if (code !== 0) throw new Error(`batch run ended with ${code}: ${stderr}`)
  return peak
}

/** Only the sum has a high-water mark of its own; the parts are looked at often. */
function readPeak(pid, peak) {
  let status
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return
  }
  const names = { anon: 'RssAnon', file: 'RssFile', all: 'VmHWM' }
  for (const [part, name] of Object.entries(names)) {
    const [, kibibytes = 0] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status) ?? []
    peak[part] = Math.max(peak[part], Number(kibibytes) * 1_024)
  }
}

/** @returns how many lines it has */
function writeInput(path, bytes, lineBytes) {
  const file = openSync(path, 'wx')
  const head = item =>
    `{"custom_id":"item-${String(item).padStart(9, '0')}","method":"POST","url":"/v1/chat/completions",`
  const body = content => `"body":{"model":"gpt-4o-mini","messages":[{"role":"user","content":"${content}"}]}}\n`
  const words = 'word '.repeat(Math.max(1, Math.round((lineBytes - head(0).length - body('').length) / 5)))
  let items = 0
  for (let written = 0; written < bytes; items += 1) written += writeSync(file, head(items) + body(words))
  closeSync(file)
  return items
}

function countLines(path) {
  const bytes = readFileSync(path)
  let lines = 0
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines += 1
  return lines
}

function startUpstream() {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': said.length }).end(said)
    })
  })
  server.keepAliveTimeout = 75_000
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        megabytes: { type: 'string', default: '100,1000' },
        line: { type: 'string', default: '20000' },
        concurrency: { type: 'string', default: '16' },
      },
    })
    const whole = text => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : Number.NaN)
    const sizes = values.megabytes.split(',').map(whole)
    const lines = values.line.split(',').map(whole)
    if ([...sizes, ...lines, whole(values.concurrency)].every(Number.isInteger)) {
      return { sizes, lines, concurrency: values.concurrency }
    }
  } catch {
    // Said below.
  }
  process.stderr.write(`${usage}\n`)
  process.exit(2)
}

function say(line) {
  process.stdout.write(`${line}\n`)
}
