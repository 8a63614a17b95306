/** Who vouches for a judged internalization: the promise in words, the judge's figures, and people's. */
import { whyNotWatched, type Admission } from '../../../core/judge/admission.ts'
import type { PeopleFigures } from '../../../core/judge/people.ts'
import { judgeCostText, lostAuditsText } from '../../../lifecycle/read-judge.ts'
import type { Judged } from '../../../views/internalization.ts'
import { Badge, Figures, Notice, type FigureProps } from '../parts/figures.tsx'
import type { Tone } from '../../../views/facts.ts'
import { percent, usd, whole } from '../../../core/figure-text.ts'
import { numbers, Table } from '../parts/table.tsx'
import { Line, Text } from '../parts/text.tsx'

/** Why audits do not count, in amber, and the promise. */
export const JudgePromise = ({ judged: { says, audits } }: { judged: Judged }) => (
  <>
    {(audits === null ? [] : lostAuditsText(audits)).map((sentence) => (
      <Notice tone="waits">
        <Text text={sentence} />
      </Notice>
    ))}
    {says.map((sentence) => (
      <p>
        <Text text={sentence} />
      </p>
    ))}
  </>
)

const RESULTS: Record<PeopleFigures['result'], { tone: Tone; words: string }> = {
  proved: { tone: 'good', words: 'proved' },
  'not-proved': { tone: 'bad', words: 'not proved' },
  open: { tone: 'waits', words: 'open' },
}

const peopleFigure = ({ wanted, rated, bad, upperBound, result }: PeopleFigures): FigureProps => {
  const { tone, words } = RESULTS[result]
  return {
    name: 'Answers rated blind by people',
    value: `${whole(rated)} of ${whole(wanted)}`,
    note: (
      <>
        {whole(bad)} bad, at most {percent(upperBound)} <Badge tone={tone}>{words}</Badge>
      </>
    ),
  }
}

const alarmFigure = ({ falseAlarms: { pairs, alarms, upperBound } }: Admission): FigureProps => ({
  name: 'Sound answers that it rejects',
  value: pairs === 0 ? 'none compared' : percent(alarms / pairs),
  note: `${whole(alarms)} of ${whole(pairs)} of the upstream’s second answers, at most ${percent(upperBound)}`,
})

const Faults = ({ faults, level, judge }: Admission) => (
  <Table
    caption={`Faults that were planted into answers of the upstream, and ${judge.model} was to find`}
    columns={['Class', ...numbers('Planted', 'Found', 'At least'), 'Verdict']}
    rows={faults.map((figures) => [
      figures.fault,
      whole(figures.planted),
      whole(figures.caught),
      percent(figures.bound),
      figures.isWatched ? (
        <Badge tone="good">watched</Badge>
      ) : (
        <>
          <Badge tone="waits">not watched</Badge> {whyNotWatched(figures, level)}
        </>
      ),
    ])}
  />
)

export const JudgeFigures = ({ judged }: { judged: Judged }) => {
  const { admission, people, spentUsd, planned } = judged
  return (
    <div class="stack">
      <p>
        <Line text={judgeCostText(planned)} chars={400} />.
      </p>
      <Figures
        figures={[
          ...(admission === null
            ? []
            : [
                {
                  name: 'Judge',
                  value: <Line text={admission.judge.version} chars={60} />,
                  note: <Line text={`rubric ${admission.judge.rubric}`} chars={80} />,
                },
                alarmFigure(admission),
              ]),
          ...(people === null ? [] : [peopleFigure(people)]),
          { name: 'The judge has cost', value: usd(spentUsd), note: 'this proof, without audits' },
        ]}
      />
      {admission !== null && <Faults {...admission} />}
    </div>
  )
}
