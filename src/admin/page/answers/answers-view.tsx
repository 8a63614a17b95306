/** Held-out answers of an internalization beside those of the upstream, for the person who decides. */
import { MAX_PATH_CHARS } from '../../../core/answer/field-rules.ts'
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { AppError } from '../../../errors.ts'
import { heldOutAnswers } from '../../../lifecycle/held-out-examples.ts'
import { readInternalization } from '../../../views/internalization.ts'
import type { AddView, PageContext } from '../env.ts'
import { ChoiceFilter, Filter, Pages, TextFilter } from '../parts/filter.tsx'
import { whole } from '../parts/format.ts'
import { internalizationPath, withQuery } from '../address.ts'
import { BackLink } from '../links.tsx'
import { plainText } from '../plain-text.ts'
import { show } from '../show.tsx'
import { AnswerList } from './answer-list.tsx'
import {
  ANSWER_KINDS,
  loadAnswers,
  MOST_SEARCHED,
  type AnswerKind,
  type AnswersPage,
  type AnswersQuery,
} from './load-answers.ts'

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
