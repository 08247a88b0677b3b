import { expect, it } from 'vitest'
import { Hints } from '../../src/stores/hints.ts'
import { keyOf } from '../support/store-terms.ts'

const [k, other] = [keyOf('k'), keyOf('other')]

function subscribed(): { hints: Hints; open(key?: typeof k): { close(): void }; ended: string[] } {
  const hints = new Hints()
  const ended: string[] = []
  return {
    hints,
    open: (key = k) =>
      hints.subscribe(
        key,
        () => {},
        () => ended.push(key),
      ),
    ended,
  }
}

it('says once that nobody follows any more: with the last of several, and each time anew', () => {
  const { open, ended } = subscribed()
  const [first, second] = [open(), open()]
  open(other)
  first.close()
  first.close()
  expect(ended).toEqual([])
  second.close()
  second.close()
  expect(ended).toEqual([k])
  const third = open()
  second.close()
  expect(ended).toEqual([k])
  third.close()
  expect(ended).toEqual([k, k])
})

it('does not say it of what ended with all the others', () => {
  const { hints, open, ended } = subscribed()
  const old = open()
  hints.close()
  const fresh = open()
  old.close()
  expect(hints.isFollowed(k)).toBe(true)
  expect(ended).toEqual([])
  fresh.close()
  expect(ended).toEqual([k])
})
