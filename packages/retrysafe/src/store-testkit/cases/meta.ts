import { assertAnswer } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { bytesOf } from '../trial.ts'

export const metaCases: readonly KitCase[] = [
  {
    name: 'I7 metaInit keeps the first value for everybody',
    async run(t) {
      assertAnswer(await t.store.metaInit(t.name('secret'), bytesOf('one')), 'one')
      assertAnswer(await t.store.metaInit(t.name('secret'), bytesOf('two')), 'one')
      assertAnswer(await t.store.metaInit(t.name('secret'), bytesOf('one')), 'one')
      assertAnswer(await t.store.metaInit(t.name('check'), bytesOf('three')), 'three')
    },
  },
  {
    name: 'metaInit keeps any bytes, none at all too',
    async run(t) {
      const all = Uint8Array.from({ length: 256 }, (_, at) => at)
      assertAnswer(await t.store.metaInit(t.name('all'), all), all)
      assertAnswer(await t.store.metaInit(t.name('all'), bytesOf('x')), all)
      assertAnswer(await t.store.metaInit(t.name('none'), bytesOf('')), '')
      assertAnswer(await t.store.metaInit(t.name('none'), bytesOf('x')), '')
    },
  },
  {
    name: 'I7 metaInit is one value for another handle too',
    needs: 'openAgain',
    async run(t) {
      const other = await t.again()
      assertAnswer(await t.store.metaInit(t.name('secret'), bytesOf('one')), 'one')
      assertAnswer(await other.metaInit(t.name('secret'), bytesOf('two')), 'one')
    },
  },
]
