/** Whether internalizing a template pays, with the figures behind it. Pure. */
import type { TemplateEconomics } from '../../../core/cost/template-economics.ts'
import { Figures, type FigureProps } from '../parts/figures.tsx'
import { percent, usd, whole } from '../../../core/figure-text.ts'
import { Slow } from '../parts/slow.tsx'
import { Line } from '../parts/text.tsx'
import { PaysBadge } from './template-list.tsx'

const ID = 'economics'

const COVERAGES: Record<TemplateEconomics['coverage']['source'], string> = {
  assumed: 'assumed until it is trained: the savings are an upper bound',
  proven: 'proven on held-out traffic',
  measured: 'measured on the live route',
}

const monthFigures = ({ monthly }: TemplateEconomics): FigureProps[] =>
  monthly === null
    ? []
    : [
        { name: 'Net a month', value: usd(monthly.netUsd), note: 'after all costs below' },
        {
          name: 'Saved by the answers',
          value: usd(monthly.grossUsd),
          note: 'a month, before all costs',
        },
        {
          name: 'Costs',
          value: usd(monthly.discardedUsd + monthly.engineUsd + monthly.trainingUsd),
          note:
            `${usd(monthly.engineUsd)} engine, ${usd(monthly.discardedUsd)} answers that are not used, ` +
            `${usd(monthly.trainingUsd)} training spread over six months`,
        },
      ]

const callFigures = ({ call, perCallUsd, traffic }: TemplateEconomics): FigureProps[] => [
  ...(call === null
    ? []
    : [
        {
          name: 'Prompt tokens a request',
          value: whole(call.promptTokens),
          note: `${whole(call.templateTokens)} of them are the template's, ${whole(call.queryTokens)} remain`,
        },
        {
          name: "In the provider's cache",
          value: percent(call.cacheHitShare),
          note: call.cacheIsMeasured ? 'of the prompt tokens' : 'assumed: it is not reported',
        },
      ]),
  ...(perCallUsd === null
    ? []
    : [
        {
          name: 'Cost of a request today',
          value: usd(perCallUsd.now),
          note: `${usd(perCallUsd.ours)} where it is answered in its place, before the engine`,
        },
      ]),
  ...(traffic?.callsPerMonth == null
    ? []
    : [{ name: 'Requests a month', value: whole(traffic.callsPerMonth) }]),
]

const otherFigures = (economics: TemplateEconomics): FigureProps[] => {
  const { coverage, onceUsd } = economics
  return [
    {
      name: 'Answered by the small model',
      value: percent(coverage.answered),
      note: COVERAGES[coverage.source],
    },
    {
      name: 'Training and its test',
      value: usd((onceUsd.training ?? 0) + onceUsd.evaluation),
      note: 'once',
    },
  ]
}

interface EconomicsProps {
  economics: TemplateEconomics | null
  /** of the view with the figures */
  address: string
  /** see `cannotGoLive` */
  isRejected: boolean
  isInFold?: boolean
}

export const Economics = ({ economics, address, isRejected, isInFold = false }: EconomicsProps) => (
  <section id={ID}>
    {economics === null ? (
      <Slow id={ID} address={address} verb="Calculate it now" isInFold={isInFold}>
        This is calculated from the log.
      </Slow>
    ) : (
      <>
        <p>
          <PaysBadge verdict={economics.verdict} isRejected={isRejected} />{' '}
          <Line text={economics.reason} chars={400} />
        </p>
        <Figures
          figures={[
            ...monthFigures(economics),
            ...callFigures(economics),
            ...otherFigures(economics),
          ]}
        />
        {economics.remarks.length > 0 && (
          <ul>
            {economics.remarks.map((remark) => (
              <li>
                <Line text={remark} chars={400} />
              </li>
            ))}
          </ul>
        )}
      </>
    )}
  </section>
)
