import { existsSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { customIdOf, wordsOf } from './batch-input.ts'

interface Answer {
  readonly choices: readonly { readonly message: { readonly content: string } }[]
}

/** A line of a batch's output, as OpenAI Batch has it. */
export interface OutputLine {
  readonly id: string
  readonly custom_id: string
  readonly response: { readonly status_code: number; readonly request_id: string; readonly body: Answer }
  readonly error: null
}

export function readOutput(path: string): OutputLine[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  expect(lines.pop()).toBe('')
  return lines.map(line => JSON.parse(line) as OutputLine)
}

/** Each item is there once, with the answer to its own question, and nothing else is; whatever was killed meanwhile. */
export function expectWholeOutput(path: string, items: number): void {
  const lines = readOutput(path)
  const said = new Map(lines.map(line => [line.custom_id, line.response.body.choices[0]?.message.content]))
  expect([lines.length, said.size]).toEqual([items, items])
  const wrong = Array.from({ length: items }, (_, item) => item).filter(item => {
    const [, answer] = /^Run \d+: you said: (.*)$/s.exec(said.get(customIdOf(item)) ?? '') ?? []
    return answer !== wordsOf(item)
  })
  expect(wrong).toEqual([])
  expect(new Set(lines.map(({ id }) => id)).size).toBe(items)
  expect(lines.filter(line => !isWellFormed(line))).toEqual([])
  expect(existsSync(path.replace(/\.jsonl$/, '.errors.jsonl'))).toBe(false)
}

function isWellFormed(line: OutputLine): boolean {
  const { id, response, error } = line
  const members = [Object.keys(line), Object.keys(response)].join(' ')
  return (
    members === 'id,custom_id,response,error status_code,request_id,body' &&
    /^batch_req_[0-9a-f]{48}$/.test(id) &&
    response.status_code === 200 &&
    /\S/.test(response.request_id) &&
    error === null
  )
}
