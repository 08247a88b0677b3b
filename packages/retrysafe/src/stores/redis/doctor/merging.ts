import type { Finding } from '../../finding.ts'

export interface NodeFindings {
  readonly node: string
  readonly findings: readonly Finding[]
}

/** The findings of several servers, check by check: once where all say the same, else each with who says so. */
export function mergeFindings(all: readonly NodeFindings[]): Finding[] {
  const checks = [...new Set(all.flatMap(({ findings }) => findings.map(({ check }) => check)))]
  return checks.flatMap(check => mergeCheck(check, all))
}

function mergeCheck(check: string, all: readonly NodeFindings[]): Finding[] {
  const groups = new Map<string, { readonly finding: Finding; readonly nodes: string[] }>()
  for (const { node, findings } of all)
    for (const finding of findings.filter(one => one.check === check)) {
      const group = groups.get(finding.says) ?? { finding, nodes: [] }
      group.nodes.push(node)
      groups.set(finding.says, group)
    }
  const [first, ...others] = groups.values()
  if (first !== undefined && others.length === 0 && first.nodes.length === all.length) return [first.finding]
  return [...groups.values()].map(({ finding, nodes }) => ({
    ...finding,
    says: `${nodes.join(', ')}: ${finding.says}`,
  }))
}
