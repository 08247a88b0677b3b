// With Node 22.18 or newer: node examples/form/main.ts, and press the button twice on http://localhost:3000
import { createRetrysafe } from 'retrysafe'
import { createApp } from './app.ts'

let orders = 0
const safe = createRetrysafe({ store: process.env['STORE'] ?? 'memory:' })
createApp(safe, async () => ++orders).listen(3000, '127.0.0.1')
