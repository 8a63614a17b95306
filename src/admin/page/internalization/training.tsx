/** What it was trained on and how: stages, losses, and the population of the log. */
import type {
  Arm,
  InternalizationPlan,
  PlannedForm,
  Population,
} from '../../../core/internalization/internalization.ts'
import type { FieldDescription } from '../../../core/form/describe-form.ts'
import type { UnexplainedAnswer } from '../../../lifecycle/logged-texts.ts'
import { populationLines } from '../../../views/say-population.ts'
import { Figures } from '../parts/figures.tsx'
import { duration, percent, shortPercent, whole } from '../../../core/figure-text.ts'
import { recordPath } from '../address.ts'
import { Plot } from '../parts/plot.tsx'
import { numbers, Table } from '../parts/table.tsx'
import { Line, Text } from '../parts/text.tsx'

/** Of one field. */
const MAX_EXAMPLES = 6

const loss = (value: number | null | undefined): string => (value == null ? '' : value.toFixed(4))

const stageRows = (arm: Arm, templateTokens: number) =>
  arm.stages.map(({ templateShare, examples }, stage) => {
    const result = arm.results[stage]
    const { metrics } = result ?? {}
    return [
      `${arm.name}, ${stage + 1} of ${arm.stages.length}`,
      shortPercent(templateShare),
      whole(examples),
      result === undefined ? '' : whole(result.measuredRate * templateTokens),
      metrics === undefined ? '' : whole(metrics.steps),
      metrics === undefined ? 'not trained yet' : duration(1000 * metrics.seconds),
      loss(metrics?.train_loss),
      loss(metrics?.valid_loss),
    ]
  })

const Stages = ({ plan: { arms, templateTokens } }: { plan: InternalizationPlan }) => (
  <Table
    caption={`Stages of training; the whole prompt has ${whole(templateTokens)} tokens`}
    columns={[
      'Candidate and stage',
      ...numbers(
        'Share of the prompt',
        'Examples in the prompt',
        'Prompt tokens',
        'Steps',
        'Time',
        'Training loss',
        'Validation loss'
      ),
    ]}
    rows={arms.flatMap((arm) => stageRows(arm, templateTokens))}
    empty="Nothing was trained."
  />
)

/** A loss before and after: one stage has nothing to compare with. */
const LossPlot = ({ arm: { name, results } }: { arm: Arm }) =>
  results.length < 2 ? null : (
    <Plot
      title={`Loss of ${name} by stage`}
      x={{ name: 'Stage', kind: 'number', values: results.map((_, stage) => stage + 1) }}
      y="number"
      series={[
        { name: 'training', values: results.map(({ metrics }) => metrics.train_loss) },
        { name: 'validation', values: results.map(({ metrics }) => metrics.valid_loss) },
      ]}
      format={loss}
      formatX={whole}
    />
  )

const PopulationFigures = ({ plan }: { plan: InternalizationPlan }) => {
  const { population, trainRecordIds, holdoutRecordIds, unseenRecordIds } = plan
  const [example] = population.repeats.examples
  return (
    <>
      <Figures
        figures={[
          { name: 'Questions to learn from', value: whole(trainRecordIds.length) },
          { name: 'Held out: traffic', value: whole(holdoutRecordIds.length) },
          { name: 'Held out: unseen questions', value: whole(unseenRecordIds.length) },
        ]}
      />
      {populationLines(population).map((line) => (
        <p>
          <Text text={line} />
        </p>
      ))}
      {example !== undefined && (
        <p>
          <a href={recordPath(example)}>An example</a> of a question with different answers
        </p>
      )}
    </>
  )
}

const UNEXPLAINED_CHARS = 160

const FIELD_KINDS: Record<FieldDescription['kind'], string> = {
  constant: 'constant',
  choice: 'chosen',
  copied: 'copied from the request',
  set: 'any of a set',
}

const Form = ({ form, unexplained }: { form: PlannedForm; unexplained: UnexplainedAnswer[] }) => (
  <>
    <p>
      This form reproduces {percent(form.explained)} of the answers. A field head fills it; the
      other answers go to the upstream or are wrong, and the test counts them.
    </p>
    {form.change !== undefined && (
      <p>
        The form of the answers changed: <Text text={form.change} />.
      </p>
    )}
    <Table
      caption="What the answers are made of"
      columns={['Field', 'Value', 'Optional', 'Examples']}
      rows={form.fields.map(({ path, kind, rules, examples, isOptional, isList }) => [
        <Text text={path === '' ? 'the whole answer' : path} />,
        `${FIELD_KINDS[kind]}${isList && kind === 'copied' ? ', several' : ''}${rules.length > 0 ? ` (${rules.join(', ')})` : ''}`,
        isOptional ? 'yes' : '',
        <Text text={examples.slice(0, MAX_EXAMPLES).join(', ')} />,
      ])}
    />
    {unexplained.length > 0 && (
      <Table
        caption="Answers that the form does not reproduce"
        columns={['Question', 'Answer', 'Record']}
        rows={unexplained.map(({ recordId, query, answer }) => [
          query === null ? '' : <Line text={query} chars={UNEXPLAINED_CHARS} />,
          <Line text={answer} chars={UNEXPLAINED_CHARS} />,
          <a href={recordPath(recordId)}>its record</a>,
        ])}
      />
    )}
  </>
)

export const Training = ({
  plan,
  unexplained,
}: {
  plan: InternalizationPlan
  unexplained: UnexplainedAnswer[]
}) => (
  <section>
    {(plan.population as Population | undefined) !== undefined && <PopulationFigures plan={plan} />}
    <div class="stack">
      {plan.form !== undefined && <Form form={plan.form} unexplained={unexplained} />}
      <Stages plan={plan} />
      <div class="plots">
        {plan.arms.map((arm) => (
          <LossPlot arm={arm} />
        ))}
      </div>
    </div>
  </section>
)
