import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { read, root } from '../house/source-files.ts'

// A new machine, as far as one machine can play it: the repository cloned into an empty directory, an empty HOME, and
// what README.md says, taken from the file, typed one command after the other.

interface Fence {
  language: string
  text: string
}

const fences: Fence[] = [...read('README.md').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(match => ({
  language: match[1] ?? '',
  text: match[2] ?? '',
}))
const commands = fences.filter(fence => fence.language === 'sh').map(fence => fence.text.trim())
const sessions = fences.filter(fence => fence.language === 'console').map(readSession)

let folder: string
let clone: string
let started: ChildProcess | undefined

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retrysafe-readme-'))
  clone = join(folder, 'clone')
  mkdirSync(join(folder, 'home'))
  execFileSync('git', ['clone', '--quiet', '--no-hardlinks', root, clone])
  overlayChanges()
  started = await startAndWait('npm start')
}, 300_000)

afterAll(async () => {
  await end(started)
  rmSync(folder, { recursive: true, force: true })
}, 60_000)

test('the README names the two commands, and no other that would have to be run', () => {
  expect(commands).toEqual(['npm start', 'npm test'])
  expect(sessions.length).toBeGreaterThanOrEqual(4)
  expect(fences.map(fence => fence.language).filter(name => !['sh', 'console', 'js', 'text'].includes(name))).toEqual(
    [],
  )
})

test('what the README shows is what is printed, in its order', () => {
  let printed = 0
  for (const [index, fence] of fences.entries()) {
    if (fence.language === 'console') {
      const { command, expected } = readSession(fence)
      expect(run('bash', ['-c', command])).toMatch(pattern(expected))
      printed++
    } else if (fence.language === 'js') {
      const next = fences[index + 1]
      expect(next?.language).toBe('text')
      writeFileSync(join(clone, 'readme-snippet.mjs'), fence.text)
      expect(run('node', ['readme-snippet.mjs'])).toMatch(pattern(next?.text ?? ''))
      printed++
    }
  }
  expect(printed).toBe(sessions.length + 1)
}, 60_000)

/** The working tree's changes on top of the clone, so that a test before the commit tests what will be committed. */
function overlayChanges(): void {
  const git = (...args: string[]): string[] =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' })
      .split('\0')
      .filter(path => path !== '')
  const deleted = new Set(git('ls-files', '-z', '--deleted'))
  for (const path of deleted) rmSync(join(clone, path), { force: true })
  for (const path of git('ls-files', '-z', '--modified', '--others', '--exclude-standard')) {
    if (deleted.has(path)) continue
    mkdirSync(dirname(join(clone, path)), { recursive: true })
    copyFileSync(join(root, path), join(clone, path))
  }
}

/** Nothing of this machine's user: no HOME, no npm settings, none of our own variables. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|RETRYSAFE_|VITEST|NODE_ENV$|INIT_CWD$)/i.test(name),
  )
  return { ...Object.fromEntries(kept), HOME: join(folder, 'home') }
}

function run(command: string, args: string[]): string {
  const printed = execFileSync(command, args, { cwd: clone, env: environment(), encoding: 'utf8', timeout: 30_000 })
  return printed.replaceAll('\r\n', '\n')
}

function startAndWait(command: string): Promise<ChildProcess> {
  const child = spawn(command, {
    shell: true,
    cwd: clone,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  started = child
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
  })
  return new Promise((resolve, reject) => {
    child.once('exit', code => reject(new Error(`${command} ended with ${code}: ${said}`)))
    createInterface({ input: child.stdout }).on('line', line => {
      said += `${line}\n`
      if (line.startsWith('{"event":"ready"')) resolve(child)
    })
  })
}

/** The shell, npm and ours: a process group of its own, so that nothing is left behind. */
function end(child: ChildProcess | undefined): Promise<void> {
  const { pid } = child ?? {}
  if (child === undefined || pid === undefined || child.exitCode !== null) return Promise.resolve()
  return new Promise(resolve => {
    child.once('exit', () => resolve())
    process.kill(-pid, 'SIGTERM')
  })
}

function readSession({ text }: Fence): { command: string; expected: string } {
  const [first = '', ...rest] = text.split('\n')
  expect(first).toMatch(/^\$ /)
  return { command: first.slice(2), expected: rest.join('\n') }
}

/** `...` stands for anything: alone on a line for any lines, within a line for the rest up to what follows. */
function pattern(expected: string): RegExp {
  const lines = expected.trimEnd().split('\n')
  const parts = lines.map(line => (line === '...' ? '(?:.*\\n)*?' : `${inline(line)}\\s*?\\n?`))
  return new RegExp(`^${parts.join('')}\\s*$`)
}

function inline(line: string): string {
  return line
    .split('...')
    .map(text => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*?')
}
