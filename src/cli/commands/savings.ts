import { Command } from 'commander'
import { dollars, percent } from '../../core/figure-text.ts'
import type { Savings } from '../../core/cost/economics.ts'
import { pricesText } from '../../core/cost/price-list.ts'
import type { TemplateEconomics } from '../../core/cost/template-economics.ts'
import { PERIOD_NAMES, PERIODS } from '../../core/cost/periods.ts'
import type { Economics } from '../../savings/economics.ts'
import type { PeriodSavings, SavingsReport, TemplateSavings } from '../../savings/savings.ts'
import type { Store } from '../../store/store.ts'
import { openStoreEconomics, withStore } from '../context.ts'
import { shortened } from '../layout.ts'
import { print, table, type OutputOptions } from '../output.ts'
import { readTitles, type Titles } from '../titles.ts'
import { visibleName } from '../../visible-text.ts'

const NOT_PRICED = 'no price'

/** Saved, costs, net. */
const dollarCells = (usd: Savings | null): string[] =>
  usd === null
    ? [NOT_PRICED, NOT_PRICED, NOT_PRICED]
    : [usd.grossUsd, usd.discardedUsd + usd.engineUsd + usd.trainingUsd, usd.netUsd].map(dollars)

const periodCells = (words: string, { spentUsd, usd }: PeriodSavings): string[] => [
  words,
  spentUsd === null ? NOT_PRICED : dollars(spentUsd),
  ...dollarCells(usd),
]

const periodsText = ({ periods }: SavingsReport): string =>
  table([
    ['period', 'spent', 'saved', 'costs', 'net saved'],
    ...PERIOD_NAMES.map((name) => periodCells(PERIODS[name].words, periods[name])),
    periodCells('whole log', periods.all),
  ])

const NAME_CHARS = 26

const templateCells = ({ version, answered, usd }: TemplateSavings, titles: Titles) => [
  shortened(visibleName(titles.name(version) || 'deleted'), NAME_CHARS),
  titles.id(version),
  answered,
  ...dollarCells(usd),
]

const templatesText = ({ periods }: SavingsReport, titles: Titles): string | null => {
  const rows = periods.all.templates.toSorted(
    (a, b) => (b.usd?.netUsd ?? -Infinity) - (a.usd?.netUsd ?? -Infinity)
  )
  if (rows.length === 0) return null
  return table([
    ['template', 'id', 'answered', 'saved', 'costs', 'net saved'],
    ...rows.map((row) => templateCells(row, titles)),
  ])
}

/** @returns null without audits that have a price */
const auditsText = ({ auditsUsd, usd }: PeriodSavings): string | null => {
  if (auditsUsd === 0) return null
  const saved = Math.max(0, usd?.grossUsd ?? 0)
  return (
    `audits: ${dollars(auditsUsd)} for answers that loras would have given, ` +
    `${percent(auditsUsd / (auditsUsd + saved))} of the sum of audits and savings`
  )
}

const movesText = ({ movesUsd }: PeriodSavings): string[] =>
  movesUsd === 0
    ? []
    : [`moves: ${dollars(movesUsd)} for bought answers of other models, not counted as spent`]

const partsText = ({ usd }: PeriodSavings): string[] =>
  usd === null
    ? []
    : [
        `costs: ${dollars(usd.engineUsd)} engine, ${dollars(usd.trainingUsd)} training, ${dollars(usd.discardedUsd)} discarded answers`,
      ]

const engineText = (report: SavingsReport): string => {
  const { engineUsdPerHour, periods } = report
  return engineUsdPerHour === null
    ? 'ENGINE_USD_PER_HOUR is not set, so the engine counts as free'
    : `engine: ${periods.all.engineHours.toFixed(1)} h live and ${periods.all.trainingHours.toFixed(1)} h of training, at ${dollars(engineUsdPerHour)} an hour`
}

const unpricedLine = (count: number, whose: string): string[] =>
  count === 0 ? [] : [`${count} answers of ${whose} have no price and count as zero`]

const zeroText = ({ unpricedSpent, unpricedAnswers }: PeriodSavings): string[] => [
  ...unpricedLine(unpricedSpent, 'the upstream'),
  ...unpricedLine(unpricedAnswers, 'loras'),
]

const reportText = (report: SavingsReport, titles: Titles): string => {
  const { all } = report.periods
  const templates = templatesText(report, titles)
  const audits = auditsText(all)
  const dated = pricesText(report.prices, report.at)
  return [
    periodsText(report),
    '',
    ...(templates === null ? [] : [templates, '']),
    ...partsText(all),
    engineText(report),
    ...(audits === null ? [] : [audits]),
    ...movesText(all),
    ...(dated === null ? [] : [dated]),
    ...zeroText(all),
  ].join('\n')
}

interface Assessed extends TemplateEconomics {
  version: string
}

/** One line per template, followed by its remarks. */
const paysText = (rows: Assessed[], titles: Titles): string =>
  rows
    .flatMap(({ version, verdict, reason, remarks }) => [
      `${titles.title(version)} ${verdict.replaceAll('-', ' ')}: ${visibleName(reason)}`,
      ...remarks.map((remark) => `  ${visibleName(remark)}`),
    ])
    .join('\n')

const collect = async (
  store: Store,
  economics: Economics
): Promise<SavingsReport & { economics: Assessed[] }> => {
  const assessed = await economics.assess(await store.templates.list())
  const rows = [...assessed].map(([version, one]) => ({ version, ...one }))
  return { ...(await economics.savings()), economics: rows }
}

const savings = (options: OutputOptions): Promise<void> =>
  withStore(async (store, config) => {
    const collected = await collect(store, await openStoreEconomics(store, config))
    if (options.json) return print(collected)
    const titles = await readTitles(store)
    print(reportText(collected, titles))
    print('')
    print(paysText(collected.economics, titles))
  })

export const savingsCommand = (): Command =>
  new Command('savings')
    .description('what was spent and saved, gross and net, and whether each template pays')
    .option('--json', 'print JSON')
    .action(savings)
