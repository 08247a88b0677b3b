import { within } from '../../../engine/clock.ts'
import { processSurroundings } from '../../../engine/surroundings.ts'
import { examineClock } from '../../clock-check.ts'
import { doubtful, type Finding, wrong } from '../../finding.ts'
import type { RedisLink, RedisNode } from '../link.ts'
import { Names } from '../names.ts'
import { openLink } from '../open-link.ts'
import { isNewEnough } from '../server-info.ts'
import { readSettings, type Settings } from '../settings.ts'
import { mustBeAsSaid } from '../startup-check.ts'
import { rightsCure, silent, storeError } from '../store-error.ts'
import { examineCluster } from './cluster-check.ts'
import { examineMemory } from './memory-check.ts'
import { mergeFindings, type NodeFindings } from './merging.ts'
import { readFacts, type Send } from './node-facts.ts'
import { examineRights } from './rights-check.ts'
import { judgeServer, judgeVersion } from './server-checks.ts'

/**
 * Looks whether the servers that a URL names can hold what the store promises: of a cluster every primary. Changes
 * nothing. A server that cannot be reached, or that falls silent, is a finding, too, after at most the URL's `timeout`
 * (5 s).
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`, `PEER_MISSING`
 * @example
 * const findings = await examineRedis('redis://:secret@redis.internal:6379')
 * if (findings.some(({ level }) => level === 'failed')) alert(findings)
 */
export async function examineRedis(url: string): Promise<Finding[]> {
  const settings = readSettings({ url, warn: () => {} })
  const link = openLink(settings, { troubled: () => {} })
  try {
    await link.connect(settings.timeoutMs)
    return await examine(link, settings)
  } catch (error) {
    const told = storeError(error)
    if (told.code === 'CONFIG_INVALID' || told.code === 'PEER_MISSING') throw told
    return [wrong('connection', told.message)]
  } finally {
    await link.close()
  }
}

async function examine(link: RedisLink, settings: Settings): Promise<Finding[]> {
  const nodes = (await link.primaries()).map(node => impatient(node, settings.timeoutMs))
  return mergeFindings(await Promise.all(nodes.map(node => examineNode(node, link.isCluster, settings))))
}

/** Of a server that falls silent in the middle, what was found before stays. */
async function examineNode(node: RedisNode, isCluster: boolean, settings: Settings): Promise<NodeFindings> {
  const findings: Finding[] = []
  try {
    await examineServer(args => node.send(args), isCluster, settings, findings)
  } catch (error) {
    findings.push(wrong('connection', storeError(error).message))
  }
  return { node: node.name, findings }
}

async function examineServer(send: Send, isCluster: boolean, settings: Settings, findings: Finding[]): Promise<void> {
  const { prefix, allowEviction } = settings
  const { info, config } = await readFacts(send)
  if (info === undefined) {
    const says = 'this user may not ask INFO: version, eviction, files, replicas and memory were not looked at'
    findings.push(doubtful('server', says, rightsCure(prefix)))
  } else {
    mustBeAsSaid(info, isCluster)
    findings.push(judgeVersion(info))
    if (!isNewEnough(info.version)) return
    findings.push(...judgeServer(info, config, allowEviction))
    findings.push(await examineMemory(send, new Names(prefix), info))
  }
  if (isCluster) findings.push(await examineCluster(send))
  findings.push(await examineRights(send, prefix))
  findings.push(await examineClock(() => readClockMs(send)))
}

async function readClockMs(send: Send): Promise<number> {
  const [seconds, microseconds] = (await send(['TIME'])) as [unknown, unknown]
  return Number(seconds) * 1_000 + Number(microseconds) / 1_000
}

function impatient(node: RedisNode, timeoutMs: number): RedisNode {
  return { name: node.name, send: args => inTime(node.send(args), timeoutMs) }
}

async function inTime<Answer>(work: Promise<Answer>, maxMs: number): Promise<Answer> {
  const told = work.then(answer => ({ answer }))
  const done = await within(told, processSurroundings.timers, maxMs)
  if (done !== undefined) return done.answer
  throw silent(maxMs)
}
