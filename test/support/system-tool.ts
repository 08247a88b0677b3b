interface Tool {
  readonly name: string
  readonly debian: string
}

interface SystemTools {
  readonly systemTools: readonly (Tool & { find(): string | undefined })[]
  describeMissing(tool: Tool): string
}

/**
 * A program of the system for which scripts/system-tools.mjs has a row, by its Debian package: the path that `npm test`
 * finds or installs.
 *
 * @throws {Error} it is missing, with what to install
 */
export async function findTool(debian: string): Promise<string> {
  const tools: string = new URL('../../scripts/system-tools.mjs', import.meta.url).href
  const { systemTools, describeMissing } = (await import(tools)) as SystemTools
  const tool = systemTools.find(row => row.debian === debian)
  if (tool === undefined) throw new Error(`scripts/system-tools.mjs has no row with the package ${debian}`)
  const path = tool.find()
  // The variable that may take its place does not help who asks for the program itself.
  if (path === undefined) throw new Error(describeMissing({ name: tool.name, debian }))
  return path
}
