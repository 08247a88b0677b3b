import { lmdbStage } from './replay-stage.ts'
import { testReplay } from './replay-suite.ts'

testReplay({ to: 'an LMDB store', way: 'alone', open: async () => lmdbStage(1), seeds: 16 })
testReplay({ to: 'an LMDB store of two processes', way: 'alone', open: async () => lmdbStage(2), seeds: 16 })
testReplay({ to: 'an LMDB store of two processes', way: 'crowd', open: async () => lmdbStage(2), seeds: 100 })
