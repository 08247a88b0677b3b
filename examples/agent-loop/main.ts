// With `npm start` running, and Node 22.18 or newer: node examples/agent-loop/main.ts
// Kill it wherever you like and start it again: http://127.0.0.1:9090/meter counts one run for each step.
import { runLoop } from './loop.ts'

const { LOOP_ID = 'trip-1', GATEWAY = 'http://127.0.0.1:8787', API_KEY = 'sk-test' } = process.env
const goals = ['call book {"flight":"RS 42"}', 'call book {"hotel":"Rest"}']
process.stdout.write(`${JSON.stringify(await runLoop({ id: LOOP_ID, goals }, { url: GATEWAY, apiKey: API_KEY }))}\n`)
