/** What to do about a template, by money: mend the provider's cache, internalize, or nothing. */
import type { TemplateMoney } from './money.ts'

export interface Advice {
  action: 'mend' | 'internalize' | 'nothing'
  /** what it saves; of an internalization after the mend, because a mended cache costs less */
  usdPerMonth: number
}

type Figures = Pick<TemplateMoney, 'cache' | 'mendedNetUsdPerMonth'>

/** @returns most money first; empty where neither is known */
export const adviceOf = ({ cache, mendedNetUsdPerMonth: net }: Figures): Advice[] => {
  const mend = cache?.usdPerMonth ?? 0
  const steps: Advice[] = [
    ...(mend > 0 ? [{ action: 'mend' as const, usdPerMonth: mend }] : []),
    ...(net !== null && net > 0 ? [{ action: 'internalize' as const, usdPerMonth: net }] : []),
  ]
  if (steps.length === 0 && net !== null) return [{ action: 'nothing', usdPerMonth: 0 }]
  return steps.toSorted((a, b) => b.usdPerMonth - a.usdPerMonth)
}
