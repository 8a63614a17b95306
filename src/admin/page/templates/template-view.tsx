/** One template: its prompt, slots, traffic, economics, internalizations and versions. Pure. */
import { changeText } from '../../../lifecycle/rollout-report.ts'
import { shortId } from '../../../core/template/name.ts'
import { growthText, tryOf } from '../../../core/internalization/growth.ts'
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { isInWork } from '../../../lifecycle/transitions.ts'
import {
  MAX_LABEL_CHARS,
  slotsOf,
  type Slot,
  type SlotTest,
} from '../../../core/template/template.ts'
import { termsText } from '../../../core/terms/terms.ts'
import { templatePath, withQuery } from '../address.ts'
import { BASE } from '../env.ts'
import { removedTable } from '../../../views/template.ts'
import { Facts } from '../parts/facts.tsx'
import { Figures, Time } from '../parts/figures.tsx'
import { Action } from '../parts/form.tsx'
import { Fold } from '../parts/fold.tsx'
import { counted, percent, whole } from '../../../core/figure-text.ts'
import { Followers, InternalizationLink, TemplateLink, TemplateName } from '../links.tsx'
import { ExplainedState, StateBadge } from '../parts/state.tsx'
import { numbers, Table } from '../parts/table.tsx'
import { Line } from '../parts/text.tsx'
import type { LoadedTemplate, TemplateHistoryRow } from './load-template.ts'
import { FieldRuleForms, FieldRules } from './field-rules.tsx'
import { Prompt } from './prompt.tsx'
import { Cache } from './template-cache.tsx'
import { Economics } from './template-economics.tsx'
import { cannotGoLive } from './template-list.tsx'
import { compact } from '../../../core/lists.ts'

const WHY_KEPT: Record<SlotTest['reason'], string> = {
  'predicts-answer': 'the answer depends on it',
  'typed-value': 'its values are all of one type, and show no effect on the answer',
  'no-effect': 'the answer does not depend on it',
  'open-values': 'its values may be new text',
  'user-text': 'the end user may have written it',
  undecided: 'too few samples to tell',
}

const whySlot = ({ test }: Slot) => {
  if (test === undefined) return 'a person wrote it'
  const { reason, mask, probability, distinct, samples } = test
  return (
    <>
      {WHY_KEPT[reason]}
      <small>
        {whole(distinct)} values in {whole(samples)} samples
        {mask !== null && `, all of the type ${mask}`}
        {probability !== null &&
          `, p = ${probability.toPrecision(2)} under the hypothesis of no effect`}
      </small>
    </>
  )
}

const valuesOf = ({ type, values = [], maxChars, kept, shapes = [] }: Slot) => {
  if (!kept) return `of ${whole(shapes.length)} shapes`
  if (type === 'enum') return <Line text={values.join(' · ')} chars={300} />
  return `at most ${whole(maxChars)} characters`
}

const slotCells = (slot: Slot) => [
  <Line text={slot.name} chars={60} />,
  slot.type === 'enum' ? 'one of some values' : 'short text',
  valuesOf(slot),
  slot.kept ? 'kept' : 'left out',
  whySlot(slot),
]

const Slots = ({ slots }: { slots: Slot[] }) => (
  <Table
    caption="Slots, and whether the small model gets their values"
    columns={['Slot', 'Type', 'Values', 'For the small model', 'Why']}
    rows={slots.map(slotCells)}
    empty="The prompt has no slot: nothing in it changes but the query."
  />
)

const shareOf = (part: number, of: number): string => (of === 0 ? '' : `${percent(part / of)} of `)

const Traffic = ({ stats, template }: LoadedTemplate) => {
  const routed = stats.answered + stats.forwarded
  return (
    <Figures
      figures={compact([
        { name: 'Requests', value: whole(stats.requests), note: 'since the log began' },
        {
          name: 'Answered without the prompt',
          value: whole(stats.answered),
          note: `${shareOf(stats.answered, routed)}${whole(routed)} that matched a live route`,
        },
        stats.bought !== 0 && {
          name: 'Bought answers',
          value: whole(stats.bought),
          note: 'for the move to this model; no request of a client',
        },
        { name: 'Prompt tokens saved', value: whole(stats.promptTokensSaved) },
        {
          name: 'Last seen (UTC)',
          value: stats.lastSeen === null ? 'never' : <Time at={stats.lastSeen} />,
        },
        { name: 'Model', value: <Line text={template.model} chars={40} /> },
        { name: 'Tenant', value: <Line text={template.tenant} chars={16} /> },
      ])}
    />
  )
}

const Terms = ({ terms }: Pick<LoadedTemplate, 'terms'>) =>
  // of an own server both kinds of answers have the same line
  [...new Map(terms.map((each) => [termsText(each), each.link]))].map(([text, link]) => (
    <p>
      Terms: <Line text={text} chars={800} />
      {link !== null && (
        <>
          {' '}
          <a href={link} rel="noreferrer">
            open them
          </a>
        </>
      )}
    </p>
  ))

/** The links both ways between a template and the one that a person has moved it to. */
const Followed = ({ template: { model, movedFrom }, followers, names }: LoadedTemplate) => (
  <>
    {movedFrom !== undefined && (
      <p>
        It follows <TemplateLink version={movedFrom} names={names} /> to{' '}
        <Line text={model} chars={40} />.
      </p>
    )}
    {followers.length > 0 && (
      <p>
        It is followed by <Followers followers={followers} names={names} />.
      </p>
    )}
  </>
)

const internalizationCells = (row: Internalization) => {
  const winner = row.verdict?.arms[row.verdict.arm]
  const exchanges = tryOf(row)?.exchanges
  return [
    <InternalizationLink id={row.id} />,
    <Time at={row.createdAt} />,
    exchanges === undefined ? '' : whole(exchanges),
    <ExplainedState state={row.state} />,
    winner === undefined ? '' : percent(winner.coverage),
    winner === undefined ? '' : percent(winner.agreementAnswered),
  ]
}

const Internalizations = ({ rows }: { rows: Internalization[] }) => {
  const growth = growthText(rows)
  return (
    <>
      <Table
        caption="Internalizations, newest first"
        columns={[
          'Internalization',
          'Begun (UTC)',
          ...numbers('Exchanges'),
          'State',
          ...numbers('Coverage', 'Agreement of its answers'),
        ]}
        rows={rows.toReversed().map(internalizationCells)}
        empty="Nothing was trained for it yet."
      />
      {growth !== null && <p>{growth}.</p>}
    </>
  )
}

const historyCells = (row: TemplateHistoryRow) => [
  <Time at={row.at} />,
  <InternalizationLink id={row.internalizationId} />,
  <StateBadge state={row.to} />,
  <Line text={row.by} chars={60} />,
  <Line text={changeText(row)} chars={300} />,
]

const History = ({ rows }: { rows: TemplateHistoryRow[] }) => (
  <Table
    caption="What happened, newest first"
    columns={['Time (UTC)', 'Internalization', 'Became', 'By', 'Why']}
    rows={rows.map(historyCells)}
    empty="Nothing happened yet."
  />
)

const Similar = ({ version, similar }: { version: string; similar: LoadedTemplate['similar'] }) => (
  <Table
    caption="Templates of the same tenant and model that share at least half of their lines and sentences"
    columns={['Template', ...numbers('Shared', 'Requests'), 'Last seen (UTC)', 'Differences']}
    rows={similar.map(({ template, name, shared, stats }) => [
      <TemplateName version={template.version} name={name} />,
      percent(shared),
      whole(stats.requests),
      stats.lastSeen === null ? '' : <Time at={stats.lastSeen} />,
      <a href={`${templatePath(version)}/diff/${encodeURIComponent(template.version)}`}>
        compare with {shortId(template.version)}
      </a>,
    ])}
    empty="No other version of this prompt is known."
  />
)

const Actions = ({ loaded, formToken }: { loaded: LoadedTemplate; formToken: string }) => {
  const path = templatePath(loaded.template.version)
  return (
    <div class="actions">
      {!loaded.internalizations.some(({ state }) => isInWork(state)) && (
        <Action
          verb="Internalize"
          says={
            'The worker plans and trains a small model for this prompt, and judges it on held-out requests. ' +
            'No answer changes before a person decides, unless AUTO_PROMOTE is set.'
          }
          path={`${path}/internalize`}
          formToken={formToken}
          reason="optional"
        />
      )}
      <Action
        verb="Label"
        says="A readable name for the prompt. Leave it empty to remove the label."
        path={`${path}/label`}
        formToken={formToken}
        reason="none"
      >
        <label for="label">Label</label>
        <input
          id="label"
          name="label"
          value={loaded.label ?? ''}
          maxlength={MAX_LABEL_CHARS}
          autocomplete="off"
        />
      </Action>
      <FieldRuleForms rules={loaded.fields} path={path} formToken={formToken} />
    </div>
  )
}

/** Those of a verdict are on the page of its internalization. */
const RULES_CAPTION =
  'How fields of JSON answers are compared, from the next internalization on; what is judged or live keeps the rules in its plan'

export interface TemplateViewProps {
  loaded: LoadedTemplate
  formToken: string
}

export const TemplateView = ({ loaded, formToken }: TemplateViewProps) => {
  const { template, economics, cache, internalizations, history, similar, fields } = loaded
  const path = templatePath(template.version)
  return (
    <>
      <Traffic {...loaded} />
      <Followed {...loaded} />
      <p>
        <a href={withQuery(`${BASE}/records`, { template: template.version })}>Its records</a>
      </p>
      <Terms terms={loaded.terms} />
      <Actions loaded={loaded} formToken={formToken} />
      <h2>Internalizations</h2>
      <Internalizations rows={internalizations} />
      <h2>Does internalizing it pay?</h2>
      <Economics
        economics={economics}
        address={`${path}?economics=1`}
        isRejected={cannotGoLive(loaded)}
      />
      <Cache cache={cache} />
      <h2>Prompt</h2>
      <Prompt template={template} wholeAt={`${path}/prompt.txt`} />
      <Fold name="Slots" tells="and the text that is removed unread">
        <Slots slots={slotsOf(template)} />
        <Facts table={removedTable(template)} />
        {template.caller !== undefined && (
          <p>
            All its requests, and the removed text, came from one key,{' '}
            <Line text={template.caller} chars={60} />. Requests of other keys go to the upstream.
          </p>
        )}
      </Fold>
      <Fold
        name="Rules for fields"
        tells={fields.length === 0 ? 'none' : counted(fields.length, 'field')}
      >
        <FieldRules rules={fields} caption={RULES_CAPTION} />
      </Fold>
      <Fold name="Other versions of this prompt" tells={whole(similar.length)}>
        <Similar version={template.version} similar={similar} />
      </Fold>
      <Fold name="History" tells={counted(history.length, 'change')}>
        <History rows={history} />
      </Fold>
    </>
  )
}
