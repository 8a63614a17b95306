/**
 * Whose exchanges are logged, and which share of them: compiled once, asked with every chat
 * completion. Knows nothing of requests.
 */

export interface CaptureRule {
  /** tenants that are logged; empty stands for all */
  tenants: string[]
  /** tenants that are not, whatever the list above says */
  except: string[]
  /** of the exchanges of those, 0 to 1 */
  share: number
}

/** @param random uniform in [0, 1) */
export const compileCaptureRule = (
  { tenants, except, share }: CaptureRule,
  random: () => number
): ((tenant: string) => boolean) => {
  const isSampled = (): boolean => random() < share
  // without lists no tenant is looked at
  if (tenants.length === 0 && except.length === 0) return isSampled
  const listed = new Set(tenants)
  const excepted = new Set(except)
  return (tenant) =>
    (listed.size === 0 || listed.has(tenant)) && !excepted.has(tenant) && isSampled()
}
