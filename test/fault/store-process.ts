import { expect, onTestFinished } from 'vitest'
import { type Member, startMember } from '../support/process-member.ts'

const program = new URL('./programs/store-process.mjs', import.meta.url)

export interface Token {
  readonly fence: number
  readonly owner: string
}

/** A process on a store that does what it is asked; it ends with the test. */
export async function startStoreProcess(url: string): Promise<Member> {
  const member = startMember(program, { url })
  onTestFinished(() => member.kill())
  await member.ask('ready')
  return member
}

export async function claim(member: Member, key: string, change: object): Promise<Token> {
  const answer = await member.ask<{ kind: string; token: Token }>('claim', { key, ...change })
  expect(answer.kind).toBe('acquired')
  return answer.token
}
