import { memoryStage } from './replay-stage.ts'
import { testReplay } from './replay-suite.ts'

testReplay({ to: 'a memory store', way: 'alone', open: async () => memoryStage(), seeds: 100 })
testReplay({ to: 'a memory store', way: 'crowd', open: async () => memoryStage(), seeds: 100 })
