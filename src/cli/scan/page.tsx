/** A scan as one HTML page. It holds no text of the log unless the report does. Pure. */
import { Figures } from '../../admin/page/parts/figures.tsx'
import { Fold } from '../../admin/page/parts/fold.tsx'
import { Interval } from '../../admin/page/parts/interval.tsx'
import { numbers, Table } from '../../admin/page/parts/table.tsx'
import { Line, Text } from '../../admin/page/parts/text.tsx'
import { type CacheReport, otherTitle, cacheLines } from '../../core/cache/cache-report.ts'
import { percent, roundDollars, whole } from '../../core/figure-text.ts'
import { compact } from '../../core/lists.ts'
import type { ScanReport, TemplateReport } from '../../core/scan/report.ts'
import { shortId } from '../../core/template/name.ts'
import type { Segment } from '../../core/template/template.ts'
import { visibleName } from '../../visible-text.ts'
import { staticPage } from './static-page.tsx'
import type { NextStep } from './next-step.ts'
import {
  answersText,
  coverageText,
  orUnknown,
  savesText,
  about,
  headline,
  notesOf,
  remarkOf,
  type ScannedLog,
} from './words.ts'

const LINE_CHARS = 400

const COLUMNS = [
  'Template',
  'Model',
  ...numbers('Requests', 'Prompt tokens', 'From the cache'),
  'Answers',
  'Coverage (at least)',
  ...numbers('Missing exchanges', 'Costs a month', 'Cache saves', 'A head saves'),
]

const AllFigures = ({ templates }: Pick<ScanReport, 'templates'>) => (
  <Table
    caption="Recurring prompts, most money first"
    columns={COLUMNS}
    rows={templates.map((row) => [
      shortId(row.version),
      <Line text={row.model} chars={40} />,
      whole(row.requests),
      orUnknown(row.promptTokens, whole),
      orUnknown(row.cacheHitShare, percent),
      answersText(row),
      coverageText(row),
      orUnknown(row.missingExchanges, about),
      orUnknown(row.usdPerMonth, roundDollars),
      orUnknown(row.cacheSavesUsdPerMonth, roundDollars),
      savesText(row),
    ])}
  />
)

/** Why the provider's cache is not read; nothing where there is nothing to mend. */
const Cache = ({ cache }: { cache: CacheReport | null }) => {
  const lines = cache && cacheLines(cache)
  return lines === null ? null : (
    <div class="notice waits">
      <Line text={lines.head} chars={LINE_CHARS} />
      {lines.causes.length > 0 && (
        <ul>
          {lines.causes.map((line) => (
            <li>
              <Line text={line} chars={LINE_CHARS} />
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

/** How sure the coverage is, and what more or less of it would agree on. */
const Agreement = ({ row, margin }: { row: TemplateReport; margin: number }) => {
  const { selective, growth, expectedCoverage, coverageLowerBound } = row
  if (selective.length === 0) return null
  return (
    <>
      {expectedCoverage !== null && expectedCoverage > 0 && coverageLowerBound !== null && (
        <Interval
          name="coverage"
          interval={[coverageLowerBound, expectedCoverage]}
          value={expectedCoverage}
          limits={[{ name: 'all requests', at: 1 }]}
        />
      )}
      <Fold name="Agreement" tells={`promised ${percent(1 - margin)}`}>
        <Table
          caption="Agreement of the most confident answers"
          columns={['Share of the requests that is answered', ...numbers('Agreement')]}
          rows={selective.map(({ coverage, agreement }) => [percent(coverage), percent(agreement)])}
        />
        {growth.length > 1 && (
          <Table
            caption="Heads that learned from a half and from all of the exchanges"
            columns={['Exchanges to learn from', ...numbers('Coverage', 'Agreement of all')]}
            rows={growth.map(({ rows, coverage, agreementOfAll }) => [
              whole(rows),
              percent(coverage),
              percent(agreementOfAll),
            ])}
          />
        )}
      </Fold>
    </>
  )
}

/** Examples only where the report has texts. */
const Fields = ({ fields }: Pick<TemplateReport, 'fields'>) => {
  if (fields === null) return null
  const hasExamples = fields.some(({ examples }) => examples.length > 0)
  return (
    <Fold name="Fields">
      <Table
        caption="What the answers are made of"
        columns={['Field', 'Value', 'Optional', ...(hasExamples ? ['Examples'] : [])]}
        rows={fields.map(({ path, kind, rules, isOptional, examples }) => [
          <Line text={path === '' ? 'the whole answer' : path} />,
          [kind, ...rules].join(', '),
          isOptional ? 'yes' : '',
          ...(hasExamples ? [<Line text={examples.join(', ')} />] : []),
        ])}
      />
    </Fold>
  )
}

const segmentText = (segment: Segment): string => {
  if (segment.kind === 'anchor') return segment.text
  return segment.kind === 'query' ? '{query}' : `{${segment.kind} ${segment.name}}`
}

const Texts = ({ text }: Pick<TemplateReport, 'text'>) => {
  if (text === undefined) return null
  const messages = text.messages.map(
    ({ role, segments }) => `${role}: ${segments.map(segmentText).join('')}`
  )
  const labels = text.labels.length === 0 ? [] : [`labels: ${text.labels.join(', ')}`]
  return (
    <Fold name="Text">
      <Text text={[...messages, ...labels].join('\n\n')} chars={Infinity} />
    </Fold>
  )
}

const Template = ({ row, margin }: { row: TemplateReport; margin: number }) => {
  const remark = remarkOf(row)
  return (
    <section>
      <h2>{shortId(row.version)}</h2>
      <Figures
        figures={compact([
          {
            name: 'Requests',
            value: whole(row.requests),
            note: <Line text={row.model} chars={40} />,
          },
          { name: 'Answers', value: answersText(row) },
          { name: 'Coverage', value: coverageText(row) },
          row.usdPerMonth !== null && {
            name: 'Costs a month',
            value: roundDollars(row.usdPerMonth),
          },
          row.usdPerMonth !== null && { name: 'A head saves', value: savesText(row) },
        ])}
      />
      {remark !== '' && (
        <p>
          <Line text={remark} chars={LINE_CHARS} />
        </p>
      )}
      <Cache cache={row.cache} />
      <Agreement row={row} margin={margin} />
      <Fields fields={row.fields} />
      <Texts text={row.text} />
    </section>
  )
}

const Others = ({ otherCaches }: Pick<ScanReport, 'otherCaches'>) => {
  const shown = otherCaches.filter(({ cache }) => cacheLines(cache) !== null)
  return shown.length === 0 ? null : (
    <section>
      <h2>Requests without a template</h2>
      {shown.map((other) => (
        <>
          <p>
            <Line text={otherTitle(other)} chars={LINE_CHARS} />
          </p>
          <Cache cache={other.cache} />
        </>
      ))}
    </section>
  )
}

const promiseText = ({ gate: { margin } }: ScanReport): string =>
  `A head answers only when its confidence is high enough. Coverage is the share of the requests that it answers while ${percent(1 - margin)} of these answers agree with the upstream, proven on held-out exchanges. On later traffic, the head answers at least the share in brackets (95 % confidence).`

/** @returns a whole HTML document */
export const scanPage = (
  report: ScanReport,
  log: ScannedLog,
  { isEngineFree, next }: { isEngineFree: boolean; next: NextStep }
): string => {
  const { templates, gate } = report
  return staticPage({
    title: 'A first look at a log',
    lead: headline(report),
    children: (
      <>
        <div class="notice">
          Next: <Line text={next.says} chars={Infinity} />
        </div>
        {next.command !== null && <pre tabindex={0}>{visibleName(next.command)}</pre>}
        {templates.length > 0 && (
          <>
            <h2>All figures</h2>
            <AllFigures templates={templates} />
            <p>{promiseText(report)}</p>
            {templates.map((row) => (
              <Template row={row} margin={gate.margin} />
            ))}
          </>
        )}
        <Others otherCaches={report.otherCaches} />
        <ul>
          {notesOf(report, log, isEngineFree).map((note) => (
            <li>
              <Line text={note} chars={Infinity} />
            </li>
          ))}
        </ul>
      </>
    ),
  })
}
