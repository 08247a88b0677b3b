import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A folder of the running test, gone when it has ended. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-batch-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A file with this text in a folder of its own. @returns its path */
export function writeInput(text: string | Uint8Array): string {
  const path = join(makeFolder(), 'in.jsonl')
  writeFileSync(path, text)
  return path
}

/** A good line of input, without its newline. */
export function inputLine(customId: string, content: string = customId): string {
  return `{"custom_id":"${customId}","method":"POST","url":"/v1/chat/completions","body":{"model":"m","content":"${content}"}}`
}
