import { randomBytes } from 'node:crypto'

/** What `npm start` prints when the gateway stands before the sandbox: three commands that show what it is for. */
export function welcomeToSandbox({ gateway, admin, sandbox }) {
  const key = drawKey()
  // Only on loopback the gateway serves callers without a credential.
  const headers = isLoopback(gateway) ? [] : ["'Authorization: Bearer demo'"]
  const call = curlCall(`${gateway}/v1/chat/completions`, { model: 'gpt-4o-mini', headers, key })
  return text({
    urls: { gateway, admin, sandbox: `${sandbox}  (a metered stand-in for a paid API)` },
    steps: [
      ['First call: the model runs once.', call],
      ['The identical call again: the same answer, Idempotent-Replayed: true.', call],
      ['The meter: one paid run.', `curl -s '${sandbox}/meter?key=${key}'`],
    ],
  })
}

/** The same before a real provider, which has no meter: its third command lists the records. */
export function welcomeToUpstream({ gateway, admin, upstream, needsAdminToken }) {
  const headers = ['"Authorization: Bearer $OPENAI_API_KEY"']
  const call = curlCall(`${gateway}${chatPath(upstream)}`, { model: 'YOUR-MODEL', headers, key: drawKey() })
  const token = needsAdminToken ? ' -H "Authorization: Bearer $RETRYSAFE_ADMIN_TOKEN"' : ''
  return text({
    urls: { gateway, admin, upstream: upstream.replace(/\/\/[^/@\s]*@/g, '//') },
    steps: [
      ['First call: the model runs once, and you pay once. Put in your model.', call],
      ['The identical call again: the same answer, Idempotent-Replayed: true.', call],
      ['A real provider has no meter to read; these are the records:', `curl -s ${admin}/api/v1/records${token}`],
    ],
  })
}

const isLoopback = url => /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname)

/** A new one each time: the store outlives the gateway, and the sandbox's meter does not. */
const drawKey = () => `demo-${randomBytes(3).toString('hex')}`

function curlCall(url, { model, headers, key }) {
  const all = ["'Content-Type: application/json'", `'Idempotency-Key: ${key}'`, ...headers]
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] })
  return `curl -i ${url} ${all.map(header => `-H ${header}`).join(' ')} -d '${body}'`
}

/** `NAME=URL` is served below /NAME; a URL that ends in /v1 already has the API's version. */
function chatPath(upstream) {
  const [, name, url] = /^(?:([\w.-]+)=)?(\S*)/.exec(upstream)
  return `${name ? `/${name}` : ''}${/\/v1\/?$/.test(url) ? '' : '/v1'}/chat/completions`
}

function text({ urls, steps }) {
  const table = Object.entries(urls).map(([name, url]) => `  ${name.padEnd(9)} ${url}`)
  const commands = steps.map(([what, command], index) => `${index + 1}. ${what}\n\n  ${command}\n`)
  return `\nRetrysafe is running. Ctrl-C ends it.\n\n${table.join('\n')}\n\n${commands.join('\n')}\n`
}
