/** What the internalization costs, and what it saves. */
import type { TemplateEconomics } from '../../../core/cost/template-economics.ts'
import { Badge, Figures, type FigureProps, type Tone } from '../parts/figures.tsx'
import { percent, usd, whole } from '../parts/format.ts'
import { Text } from '../parts/text.tsx'

const VERDICTS: Record<TemplateEconomics['verdict'], { tone: Tone; name: string }> = {
  pays: { tone: 'good', name: 'pays' },
  'does-not-pay': { tone: 'bad', name: 'does not pay' },
  unknown: { tone: 'plain', name: 'not known' },
}

const SOURCES: Record<TemplateEconomics['coverage']['source'], string> = {
  assumed: 'assumed: nothing is proven yet',
  proven: 'by the proof',
  measured: 'measured',
}

const figuresOf = ({
  onceUsd,
  monthly,
  paybackDays,
  perCallUsd,
  traffic,
  coverage,
}: TemplateEconomics): FigureProps[] => [
  {
    name: 'Training',
    value: onceUsd.training === null ? 'not known' : usd(onceUsd.training),
    note: `and ${usd(onceUsd.evaluation)} for second answers of the upstream`,
  },
  ...(traffic?.callsPerMonth == null
    ? []
    : [{ name: 'Requests a month', value: whole(traffic.callsPerMonth) }]),
  {
    name: 'Answered without the prompt',
    value: percent(coverage.answered),
    note: SOURCES[coverage.source],
  },
  ...(perCallUsd === null
    ? []
    : [
        {
          name: 'A request costs',
          value: usd(perCallUsd.internalized),
          note: `${usd(perCallUsd.now)} without it`,
        },
      ]),
  ...(monthly === null
    ? []
    : [
        {
          name: 'Saves a month',
          value: usd(monthly.netUsd),
          note: `net; ${usd(monthly.grossUsd)} before engine and training`,
        },
      ]),
  ...(paybackDays === null
    ? []
    : [{ name: 'Pays back after', value: `${whole(Math.ceil(paybackDays))} days` }]),
]

export const EconomicsPart = (economics: TemplateEconomics) => {
  const { verdict, reason, remarks } = economics
  const { tone, name } = VERDICTS[verdict]
  return (
    <>
      <h2>Costs and savings of the template</h2>
      <p>
        <Badge tone={tone}>{name}</Badge> <Text text={reason} />
      </p>
      <Figures figures={figuresOf(economics)} />
      {remarks.map((remark) => (
        <p>
          <Text text={remark} />
        </p>
      ))}
    </>
  )
}
