/** Held-out answers of an internalization beside those of the upstream, for the person who decides. */
import { Badge } from '../parts/figures.tsx'
import type { Tone } from '../../../views/facts.ts'
import { percent, whole } from '../../../core/figure-text.ts'
import { recordPath, internalizationPath, withQuery } from '../address.ts'
import { Line, Text } from '../parts/text.tsx'
import {
  ANSWER_KINDS,
  loadAnswers,
  MOST_SEARCHED,
  type ShownAnswer,
  type AnswerKind,
  type AnswersPage,
  type AnswersQuery,
} from './load-answers.ts'
import { MarkedAnswers } from '../parts/marked-answers.tsx'
import { MAX_PATH_CHARS } from '../../../core/answer/field-rules.ts'
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { AppError } from '../../../errors.ts'
import { heldOutAnswers } from '../../../lifecycle/held-out-examples.ts'
import { readInternalization } from '../../../views/internalization.ts'
import type { AddView, PageContext } from '../env.ts'
import { ChoiceFilter, Filter, Pages, TextFilter } from '../parts/filter.tsx'
import { BackLink } from '../links.tsx'
import { plainText, show } from '../show.tsx'

interface AnswerListProps {
  answers: ShownAnswer[]
  /** the upstream's */
  model: string
  /** address of this list's internalization, and the arm whose answers these are */
  path: string
  arm: number
}

const DELETED = 'This text was deleted from the log.'

/** In place of an answer of the upstream that is not plain text. */
const withoutText = (outcome: string | null): string =>
  outcome === null || outcome === 'unreadable' ? DELETED : `[${outcome}]`

const noAnswer = ({ query }: ShownAnswer): string =>
  query === null ? DELETED : 'The small model was not asked.'

/** Green is an answer that agrees and is given, red one that is wrong: worst where a client would get it. */
const badgesOf = (answer: ShownAnswer): [Tone, string][] => {
  const { row, agrees, isAboveThreshold } = answer
  if (row.deferred !== null) return [['plain', `always left to the upstream: ${row.deferred}`]]
  const judged: [Tone, string] = agrees ? ['good', 'agrees'] : ['bad', 'disagrees']
  if (isAboveThreshold === null) return [judged]
  if (!isAboveThreshold) return [judged, ['plain', 'below the threshold']]
  return agrees
    ? [['good', 'agrees: a client would get it']]
    : [['bad', 'wrong, and a client would get it']]
}

const Badges = (answer: ShownAnswer) => (
  <p>
    {badgesOf(answer).map(([tone, words]) => (
      <>
        <Badge tone={tone}>{words}</Badge>{' '}
      </>
    ))}
    probability {percent(Math.exp(answer.confidence))}
    {answer.fieldsApart.length > 0 && (
      <>
        ; differs in <Line text={answer.fieldsApart.join(', ')} chars={300} />
      </>
    )}
  </p>
)

const Answers = ({
  answer,
  model,
  path,
  arm,
}: Omit<AnswerListProps, 'answers'> & { answer: ShownAnswer }) => {
  const { recordId, promptedAnswer, adaptedAnswer, outcome } = answer
  const adapted = {
    name: 'the small model',
    text: adaptedAnswer,
    whole: `${path}/answers/${encodeURIComponent(recordId)}/text?arm=${arm}`,
  }
  if (promptedAnswer !== null && adaptedAnswer !== '')
    return (
      <MarkedAnswers
        prompted={{
          name: model,
          text: promptedAnswer,
          whole: `${recordPath(recordId)}/response.txt`,
        }}
        adapted={adapted}
      />
    )
  return (
    <div class="sides">
      <div>
        <small>{model}</small>
        {promptedAnswer === null ? (
          withoutText(outcome)
        ) : (
          <Text text={promptedAnswer} whole={`${recordPath(recordId)}/response.txt`} />
        )}
      </div>
      <div>
        <small>{adapted.name}</small>
        {adaptedAnswer === '' ? (
          noAnswer(answer)
        ) : (
          <Text text={adaptedAnswer} whole={adapted.whole} />
        )}
      </div>
    </div>
  )
}

const Answer = ({
  answer,
  ...context
}: Omit<AnswerListProps, 'answers'> & { answer: ShownAnswer }) => {
  const { recordId, query, freshUpstreamAnswer } = answer
  const record = recordPath(recordId)
  return (
    <article class="panel">
      <Badges {...answer} />
      <div>
        <small>
          the question (<a href={record}>its record</a>)
        </small>
        {query === null ? DELETED : <Text text={query} whole={`${record}/request.txt`} />}
      </div>
      <Answers answer={answer} {...context} />
      {freshUpstreamAnswer !== null && freshUpstreamAnswer !== '' && (
        <div>
          <small>{context.model}, asked a second time</small>
          <Text text={freshUpstreamAnswer} />
        </div>
      )}
    </article>
  )
}

const AnswerList = ({ answers, ...context }: AnswerListProps) => (
  <div class="stack">
    {answers.map((answer) => (
      <Answer answer={answer} {...context} />
    ))}
  </div>
)

const MAX_SEARCH_CHARS = 200

const FILTERED = ANSWER_KINDS.filter((kind) => kind !== 'all')

const KIND_NAMES: Record<Exclude<AnswerKind, 'all'>, string> = {
  wrong: 'wrong, and a client would get them',
  disagree: 'disagree',
  agree: 'agree',
  above: 'above the threshold',
  deferred: 'always left to the upstream',
}

const queryOf = ({ req }: PageContext, { plan, verdict }: Internalization): AnswersQuery => {
  const arm = Number(req.query('arm') ?? verdict?.arm ?? 0)
  return {
    kind: ANSWER_KINDS.find((kind) => kind === req.query('kind')) ?? 'all',
    search: (req.query('search') ?? '').trim().slice(0, MAX_SEARCH_CHARS),
    field: (req.query('field') ?? '').trim().slice(0, MAX_PATH_CHARS),
    page: Math.max(1, Math.floor(Number(req.query('page') ?? 1)) || 1),
    arm: plan?.arms[arm] === undefined ? 0 : arm,
  }
}

interface FilterProps {
  row: Internalization
  query: AnswersQuery
  counts: AnswersPage['counts']
}

const Arms = ({ row: { plan }, query }: Pick<FilterProps, 'row' | 'query'>) => {
  const arms = plan?.arms ?? []
  if (arms.length < 2) return null
  return (
    <div>
      <label for="arm">Candidate</label>
      <select id="arm" name="arm">
        {arms.map(({ name }, arm) => (
          <option value={arm} selected={arm === query.arm}>
            {name}
          </option>
        ))}
      </select>
    </div>
  )
}

/** Those that disagree most often. */
const FieldFilter = ({ row: { verdict }, query }: Pick<FilterProps, 'row' | 'query'>) =>
  verdict?.fields === undefined || verdict.fields.fields.length === 0 ? null : (
    <ChoiceFilter
      name="field"
      label="Field that disagrees"
      value={query.field}
      options={verdict.fields.fields.map(({ path, rows }) => [path, `${path} (${whole(rows)})`])}
    />
  )

const AnswersFilter = ({ row, query, counts }: FilterProps) => (
  <Filter
    path={`${internalizationPath(row.id)}/answers`}
    isFiltered={query.kind !== 'all' || query.search !== '' || query.field !== ''}
  >
    <ChoiceFilter
      name="kind"
      label="Answers"
      value={query.kind}
      options={FILTERED.map((kind) => [kind, `${KIND_NAMES[kind]} (${whole(counts[kind])})`])}
    />
    <FieldFilter row={row} query={query} />
    <Arms row={row} query={query} />
    <TextFilter name="search" label="Text in the question or an answer" value={query.search} />
  </Filter>
)

const foundText = ({ found, searched, counts }: AnswersPage, { kind }: AnswersQuery): string => {
  if (searched === null) return `${whole(found)} answers.`
  const of = counts[kind]
  const part =
    of > searched ? `; the first ${whole(MOST_SEARCHED)} of ${whole(of)} were searched` : ''
  return `${whole(found)} answers fit the search${part}.`
}

const VIEW = { title: 'Held-out answers', section: '/templates' } as const

export const addAnswers: AddView = (app, { store }) => {
  app.get('/internalizations/:id/answers', async (context) => {
    const row = await readInternalization(store, context.req.param('id'))
    const path = internalizationPath(row.id)
    const query = queryOf(context, row)
    const found = await loadAnswers(store, row, query)
    const template = await store.templates.get(row.templateVersion)
    const content = (
      <>
        <BackLink path={path} />
        <p>
          Mistakes come first, the most confident ones at the top. Then come the answers with the
          lowest confidence. Words that differ are marked.
        </p>
        <AnswersFilter row={row} query={query} counts={found.counts} />
        <p>{foundText(found, query)}</p>
        <AnswerList
          answers={found.shown}
          model={template?.model ?? 'the upstream'}
          path={path}
          arm={query.arm}
        />
        {found.pages > 1 && (
          <Pages
            said={`Page ${whole(found.page)} of ${whole(found.pages)}`}
            page={found.page}
            pages={found.pages}
            addressOf={(page) => withQuery(`${path}/answers`, { ...query, page })}
          />
        )}
      </>
    )
    return show(context, { ...VIEW, content })
  })

  app.get('/internalizations/:id/answers/:record/text', async (context) => {
    const row = await readInternalization(store, context.req.param('id'))
    const wanted = context.req.param('record')
    const answers = await heldOutAnswers(store, row, queryOf(context, row).arm)
    const found = answers.find((answer) => answer.row.recordId === wanted)
    if (found === undefined) throw new AppError('not-found', `there is no answer to ${wanted}`)
    return plainText(context, found.row.answer, `answer-${wanted}.txt`)
  })
}
