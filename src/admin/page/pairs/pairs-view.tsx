/** Audited requests to rate without knowing whose answer is whose, which is told after the rating. */
import {
  pairsToRate,
  ratePair,
  samplePairs,
  shownPairs,
  type Right,
  type ShownPair,
} from '../../../lifecycle/ratings/rating.ts'
import { Badge, Notice } from '../parts/figures.tsx'
import { Text } from '../parts/text.tsx'
import { outcomeName } from '../../../views/say-rollout.ts'
import { DELETED, Question, RevealedPair, wholeAnswer } from './revealed-pair.tsx'
import type { BodyData } from 'hono/utils/body'
import { PAIR_OUTCOMES, type PairOutcome } from '../../../core/rollout/pair.ts'
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { AppError } from '../../../errors.ts'
import type { Store } from '../../../store/store.ts'
import { readInternalization } from '../../../views/internalization.ts'
import type { AddView, PageContext } from '../env.ts'
import { formText } from '../form-text.ts'
import { counted } from '../../../core/figure-text.ts'
import { ChoiceFilter, Filter, Pager } from '../parts/filter.tsx'
import { TOKEN_FIELD } from '../parts/form.tsx'
import { internalizationPath, withQuery } from '../address.ts'
import { plainText, show } from '../show.tsx'

/** Names of the fields begin with it; the id of the record follows. */
const FIELD = 'right '

const CHOICES: { value: Right; name: string }[] = [
  { value: 'both', name: 'both' },
  { value: 'a', name: 'A alone' },
  { value: 'b', name: 'B alone' },
  { value: 'neither', name: 'neither' },
]
const TAKE_BACK = 'take-back'

const Choices = ({ recordId }: { recordId: string }) => (
  <fieldset class="choices">
    <legend>Which answer is right?</legend>
    {CHOICES.map(({ value, name }) => (
      <label>
        <input type="radio" name={`${FIELD}${recordId}`} value={value} /> {name}
      </label>
    ))}
  </fieldset>
)

interface PairProps {
  pair: ShownPair
  /** address of the internalization */
  path: string
}

const BlindPair = ({ pair, path }: PairProps) => {
  const { answers, recordId, place } = pair
  return (
    <>
      <Question pair={pair} />
      {answers === null || recordId === null ? (
        <p>{DELETED}</p>
      ) : (
        <>
          <div class="sides">
            {(['a', 'b'] as const).map((name) => (
              <div>
                <small>Answer {name.toUpperCase()}</small>
                <Text text={answers[name]} whole={wholeAnswer(path, place, name)} />
              </div>
            ))}
          </div>
          <Choices recordId={recordId} />
        </>
      )}
    </>
  )
}

interface PairListProps {
  pairs: ShownPair[]
  path: string
  /** the upstream's */
  model: string
  /** whether a judge compares the answers */
  isJudged: boolean
}

type Revealed = NonNullable<ShownPair['revealed']>

const Rated = ({ pair, revealed }: { pair: ShownPair; revealed: Revealed }) => (
  <p>
    <Badge tone="plain">rated</Badge> Answer {revealed.lora.toUpperCase()} was the small model’s.{' '}
    {pair.recordId !== null && (
      <label class="inline">
        <input type="checkbox" name={`${FIELD}${pair.recordId}`} value={TAKE_BACK} /> remove the
        rating
      </label>
    )}
  </p>
)

/** @param isRatable false: nothing to choose from */
const PairList = ({
  pairs,
  path,
  model,
  isJudged,
  isRatable,
}: PairListProps & { isRatable: boolean }) => (
  <div class="stack">
    {pairs.map((pair) => (
      <article class="panel">
        {pair.revealed === null ? (
          <BlindPair pair={pair} path={path} />
        ) : (
          <>
            {isRatable && <Rated pair={pair} revealed={pair.revealed} />}
            <RevealedPair
              pair={pair}
              revealed={pair.revealed}
              model={model}
              path={path}
              isJudged={isJudged}
            />
          </>
        )}
      </article>
    ))}
  </div>
)

const PAIRS_ON_A_PAGE = 10

interface PairsQuery {
  /** place; null on the first page */
  before: number | null
  isRevealed: boolean
  /** only of pairs that are revealed, because it says whether they agree; null: all */
  outcome: PairOutcome | null
}

interface PairsPage extends PairsQuery {
  /** address of the internalization */
  path: string
  pairs: ShownPair[]
  /** place of the next page; null: there is none */
  next: number | null
  /** all that are left to rate have equal answers */
  areEqual: boolean
  /** the upstream's */
  model: string
  /** whether a judge compares the answers */
  isJudged: boolean
  /** pairs of the sample that wait for a rating; null: the pairs are no sample */
  waiting: number | null
  formToken: string
}

const addressOf = (path: string, { before, isRevealed, outcome }: PairsQuery): string =>
  withQuery(`${path}/pairs`, {
    before: before ?? undefined,
    revealed: isRevealed ? 'true' : undefined,
    outcome: outcome ?? undefined,
  })

const Pages = ({ path, next, ...query }: PairsPage) => {
  const at = (before: number | null): string => addressOf(path, { ...query, before })
  return (
    <Pager
      links={[
        ['The newest', query.before === null ? null : at(null)],
        ['Next page', next === null ? null : at(next)],
      ]}
    />
  )
}

const RatingForm = ({ path, pairs, model, isJudged, before, formToken }: PairsPage) => (
  <form method="post" action={`${path}/pairs`}>
    <PairList pairs={pairs} path={path} model={model} isJudged={isJudged} isRatable />
    <input type="hidden" name={TOKEN_FIELD} value={formToken} />
    <input type="hidden" name="before" value={before === null ? '' : String(before)} />
    <p>
      <button>Save the ratings</button>
    </p>
  </form>
)

const OutcomeFilter = ({ path, outcome, isJudged }: PairsPage) => (
  <Filter
    path={addressOf(path, { before: null, isRevealed: true, outcome: null })}
    isFiltered={outcome !== null}
  >
    <input type="hidden" name="revealed" value="true" />
    <ChoiceFilter
      name="outcome"
      label="The small model’s answer"
      value={outcome ?? ''}
      options={PAIR_OUTCOMES.map((known) => [known, outcomeName(known, isJudged)])}
    />
  </Filter>
)

const Introduction = ({ path, isRevealed, isJudged, model, before, waiting }: PairsPage) => (
  <>
    <p>
      <a href={path}>Back to the internalization</a> ·{' '}
      <a href={addressOf(path, { before, isRevealed: !isRevealed, outcome: null })}>
        {isRevealed ? 'Rate them blind' : 'Show who gave which answer'}
      </a>
    </p>
    {waiting !== null && (
      <p>
        A random sample of the route’s answers: {counted(waiting, 'pair')} of it{' '}
        {waiting === 1 ? 'waits' : 'wait'} for a rating. An answer is bad if the other one alone is
        right. The judge’s evidence does not depend on these ratings.
      </p>
    )}
    {waiting === null && (
      <p>
        Requests that {model} and the small model answered, the newest first. Ratings count in the{' '}
        {isJudged ? 'promise about people' : 'evidence'}: a pair is {isJudged ? 'bad' : 'a loss'}{' '}
        only if {model} alone is right.
        {!isRevealed && ' Pairs of identical answers are left out.'}
      </p>
    )}
  </>
)

const PairsContent = (page: PairsPage) => (
  <>
    <Introduction {...page} />
    {page.isRevealed && <OutcomeFilter {...page} />}
    {page.areEqual && (
      <Notice tone="plain">
        All remaining pairs have identical answers. They count as agreement and need no rating.
      </Notice>
    )}
    {page.pairs.length === 0 ? (
      <p class="empty">There are no such pairs {page.before === null ? 'yet' : 'before these'}.</p>
    ) : page.isRevealed ? (
      <PairList {...page} isRatable={false} />
    ) : (
      <RatingForm {...page} />
    )}
    <Pages {...page} />
  </>
)

const placeIn = (text: string): number | null => (/^\d{1,15}$/.test(text) ? Number(text) : null)

const queryOf = ({ req }: PageContext): PairsQuery => {
  const isRevealed = req.query('revealed') === 'true'
  const outcome = PAIR_OUTCOMES.find((known) => known === req.query('outcome')) ?? null
  return {
    before: placeIn(req.query('before') ?? ''),
    isRevealed,
    outcome: isRevealed ? outcome : null,
  }
}

/** @throws AppError `invalid-request` for a choice that no form of the page has */
const rightIn = (value: string): Right | null => {
  if (value === TAKE_BACK) return null
  const choice = CHOICES.find((known) => known.value === value)
  if (choice === undefined)
    throw new AppError('invalid-request', 'choose both, A alone, B alone or neither')
  return choice.value
}

const ratingsIn = (form: BodyData): { recordId: string; right: Right | null }[] =>
  Object.keys(form)
    .filter((name) => name.startsWith(FIELD))
    .map((name) => ({ recordId: name.slice(FIELD.length), right: rightIn(formText(form, name)) }))

const VIEW = { title: 'Pairs', section: '/templates' } as const

type LoadedPairs = Pick<PairsPage, 'pairs' | 'next' | 'areEqual' | 'waiting'>

interface LoadDeps {
  store: Store
  secret: string
}

/** Pairs as they come; with whose answers they are where that was asked for. */
const pageOf = async (
  { store, secret }: LoadDeps,
  row: Internalization,
  { before, outcome, isRevealed }: PairsQuery
): Promise<LoadedPairs> => {
  const pairs = await shownPairs(
    store,
    row,
    {
      limit: PAIRS_ON_A_PAGE,
      reveals: isRevealed ? 'all' : 'rated',
      before: before ?? undefined,
      outcome: outcome ?? undefined,
    },
    secret
  )
  const next = pairs[PAIRS_ON_A_PAGE - 1]?.place ?? null
  return { pairs, next, areEqual: false, waiting: null }
}

/** Of a judged route those of the sample; of others pairs that differ, or all where there is none of them. */
const blindPage = async (
  deps: LoadDeps,
  row: Internalization,
  query: PairsQuery
): Promise<LoadedPairs> => {
  if (row.plan?.judge !== undefined) {
    const sample = await samplePairs(deps.store, row, PAIRS_ON_A_PAGE, deps.secret)
    return { ...sample, next: null, areEqual: false }
  }
  const asked = { limit: PAIRS_ON_A_PAGE, before: query.before ?? undefined }
  const found = await pairsToRate(deps.store, row, asked, deps.secret)
  if (found.pairs.length > 0 || found.next !== null)
    return { ...found, areEqual: false, waiting: null }
  const others = await pageOf(deps, row, query)
  return { ...others, areEqual: others.pairs.length > 0 }
}

export const addPairs: AddView = (app, { store, now, blindSecret: secret }) => {
  app.get('/internalizations/:id/pairs', async (context) => {
    const row = await readInternalization(store, context.req.param('id'))
    const path = internalizationPath(row.id)
    const query = queryOf(context)
    const pairs = await (query.isRevealed ? pageOf : blindPage)({ store, secret }, row, query)
    const model = (await store.templates.get(row.templateVersion))?.model ?? 'the upstream'
    const isJudged = row.plan?.judge !== undefined
    const page = { ...query, ...pairs, path, model, isJudged, formToken: context.get('formToken') }
    return show(context, { ...VIEW, content: <PairsContent {...page} /> })
  })

  app.post('/internalizations/:id/pairs', async (context) => {
    const row = await readInternalization(store, context.req.param('id'))
    const form = await context.req.parseBody()
    for (const { recordId, right } of ratingsIn(form))
      await ratePair(store, recordId, right, { secret, now: now() })
    const before = placeIn(formText(form, 'before'))
    const path = internalizationPath(row.id)
    return context.redirect(addressOf(path, { before, isRevealed: false, outcome: null }), 303)
  })

  app.get('/internalizations/:id/pairs/:place{[0-9]{1,15}}/:name{[ab]\\.txt}', async (context) => {
    const row = await readInternalization(store, context.req.param('id'))
    const place = Number(context.req.param('place'))
    const query = { limit: 1, before: place + 1, reveals: 'rated' } as const
    const [pair] = await shownPairs(store, row, query, secret)
    if (pair?.place !== place || pair.answers === null)
      throw new AppError('not-found', `there are no answers of the pair ${place}`)
    const name = context.req.param('name')
    return plainText(context, pair.answers[name === 'a.txt' ? 'a' : 'b'], name)
  })
}
