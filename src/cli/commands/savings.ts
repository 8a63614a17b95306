import { Command } from 'commander'
import { dollars, type Savings } from '../../core/cost/economics.ts'
import type { TemplateEconomics } from '../../core/cost/template-economics.ts'
import type { Economics } from '../../savings/economics.ts'
import type { SavingsReport } from '../../savings/savings.ts'
import type { Store } from '../../store/store.ts'
import { openStoreEconomics, withStore } from '../context.ts'
import { percent, print, table, type OutputOptions } from '../output.ts'
import { visibleName } from '../../visible-text.ts'

const NOT_PRICED = 'no price'

const dollarCells = (usd: Savings | null): string[] =>
  usd === null
    ? Array.from({ length: 7 }, () => NOT_PRICED)
    : [
        usd.byModelUsd,
        usd.byPromptUsd,
        usd.grossUsd,
        usd.discardedUsd,
        usd.engineUsd,
        usd.trainingUsd,
        usd.netUsd,
      ].map(dollars)

/** @returns null without audits that have a price */
const auditsText = ({
  auditsUsd,
  usd,
}: Pick<SavingsReport, 'auditsUsd' | 'usd'>): string | null => {
  if (auditsUsd === 0) return null
  const saved = Math.max(0, usd?.grossUsd ?? 0)
  return (
    `audits: ${dollars(auditsUsd)} for answers that loras would have given, ` +
    `${percent(auditsUsd / (auditsUsd + saved))} of what they saved and audits together`
  )
}

const reportText = (report: SavingsReport): string => {
  const { templates, usd, unpricedAnswers, ...hours } = report
  const audits = auditsText(report)
  const answered = templates.reduce((sum, row) => sum + row.answered, 0)
  const engine =
    hours.engineUsdPerHour === null
      ? 'ENGINE_USD_PER_HOUR is not set, so the engine counts as free'
      : `engine: ${hours.engineHours.toFixed(1)} h live and ${hours.trainingHours.toFixed(1)} h of training at ${dollars(hours.engineUsdPerHour)}`
  return [
    table([
      [
        'template',
        'answered',
        'by model',
        'by prompt',
        'gross',
        'discarded',
        'engine',
        'training',
        'net',
      ],
      ...templates.map((row) => [row.version, row.answered, ...dollarCells(row.usd)]),
      ['all', answered, ...dollarCells(usd)],
    ]),
    engine,
    ...(audits === null ? [] : [audits]),
    ...(unpricedAnswers > 0 ? [`${unpricedAnswers} answers have no price and count as zero`] : []),
  ].join('\n')
}

interface Forecasted extends TemplateEconomics {
  version: string
}

/** One line per template, followed by its remarks. */
const forecastText = (rows: Forecasted[]): string =>
  rows
    .flatMap(({ version, verdict, reason, remarks }) => [
      `${version}  ${verdict.replaceAll('-', ' ')}: ${visibleName(reason)}`,
      ...remarks.map((remark) => `  ${visibleName(remark)}`),
    ])
    .join('\n')

const collect = async (
  store: Store,
  economics: Economics
): Promise<SavingsReport & { forecasts: Forecasted[] }> => {
  const assessed = await economics.assess(await store.templates.list())
  const forecasts = [...assessed].map(([version, forecast]) => ({ version, ...forecast }))
  return { ...(await economics.savings()), forecasts }
}

const savings = (options: OutputOptions): Promise<void> =>
  withStore(async (store, config) => {
    const collected = await collect(store, await openStoreEconomics(store, config))
    if (options.json) return print(collected)
    print(reportText(collected))
    print('')
    print(forecastText(collected.forecasts))
  })

export const savingsCommand = (): Command =>
  new Command('savings')
    .description('savings so far, gross and net, and whether each template pays')
    .option('--json', 'print JSON')
    .action(savings)
