/**
 * Kept responses by their ids, as the Responses API serves its own: the response, the items of its input, and
 * its deletion. An id that the caller has not got from us is the upstream's matter.
 */
import type { IncomingMessage } from 'node:http'
import type { KeptResponse, KeptResponses } from '../../core/log/kept-response.ts'
import { AppError } from '../../errors.ts'
import { RESPONSES } from '../../openai/dialect.ts'
import { readOwnId, responseId } from '../../openai/ids.ts'
import { inputItems } from '../../openai/responses/input-items.ts'
import type { Caller } from '../access/limits.ts'
import { type Client, refuse } from '../client/client.ts'
import type { StepDeps } from '../deps.ts'
import type { Pass } from '../pass-through.ts'
import { requireAccepted, type AcceptanceDeps } from './keep.ts'

type Wanted = 'response' | 'input-items' | 'deletion' | 'cancellation'

type FindDeps = AcceptanceDeps & { keptResponses: KeptResponses }

/** What is asked of which response. */
export interface KeptAsked {
  /** of its record */
  id: string
  wanted: Wanted
}

const PATH = new RegExp(`^${RESPONSES.path}/([\\w-]+)(?:/(input_items|cancel))?$`)

const WANTED = new Map<string, Wanted>([
  ['GET ', 'response'],
  ['GET input_items', 'input-items'],
  ['DELETE ', 'deletion'],
  ['POST cancel', 'cancellation'],
])

/** @param path without a query @returns null where the upstream is asked */
export const keptAsked = (method: string | undefined, path: string): KeptAsked | null => {
  const [, named = '', part = ''] = PATH.exec(path) ?? []
  const id = readOwnId(named)
  const wanted = WANTED.get(`${method} ${part}`)
  return id?.prefix !== 'resp' || wanted === undefined ? null : { id: id.record, wanted }
}

const queryOf = ({ url = '' }: IncomingMessage): URLSearchParams =>
  new URLSearchParams(url.split('?')[1] ?? '')

/** @throws AppError `invalid-request` */
const bodyOf = (
  kept: KeptResponse,
  wanted: Exclude<Wanted, 'deletion'>,
  query: URLSearchParams
) => {
  if (wanted === 'cancellation')
    throw new AppError('invalid-request', 'Cannot cancel a synchronous response.')
  if (wanted === 'input-items') return JSON.stringify(inputItems(kept, query))
  if (query.get('stream') === 'true')
    throw new AppError(
      'invalid-request',
      'a stored response cannot be streamed again: send the request without stream',
      {
        param: 'stream',
      }
    )
  return kept.response
}

const deletion = (id: string): string =>
  JSON.stringify({ id: responseId(id), object: 'response', deleted: true })

/**
 * Admits the caller before anything changes.
 * @returns the body of the answer; null where the tenant has no such response
 * @throws AppError as `requireAccepted`, `bodyOf` and `Caller.admitKept`
 */
const answerTo = async (
  deps: FindDeps,
  { id, wanted }: KeptAsked,
  incoming: IncomingMessage,
  caller: Pick<Caller, 'admitKept'> | undefined
): Promise<string | null> => {
  const { keptResponses, tenants } = deps
  const { tenant } = tenants.identify(incoming)
  const kept = await keptResponses.get(id, tenant)
  if (kept === null) return null
  await requireAccepted(deps, incoming, kept)
  await caller?.admitKept()
  if (wanted !== 'deletion') return bodyOf(kept, wanted, queryOf(incoming))
  return (await keptResponses.remove(id, tenant)) ? deletion(id) : null
}

type ServeKeptDeps = FindDeps & Pick<StepDeps, 'access' | 'metrics' | 'fault'> & { pass: Pass }

/** Answers, or asks the upstream; never rejects, because its caller does not wait for it. */
export const createServeKept =
  (deps: ServeKeptDeps) =>
  async (asked: KeptAsked, incoming: IncomingMessage, client: Client): Promise<void> => {
    try {
      // a caller without a valid key learns nothing
      const caller = deps.access?.callerOf(incoming)
      const answer = await answerTo(deps, asked, incoming, caller)
      if (answer === null) return deps.pass(incoming, client)
      deps.metrics.request('kept')
      client.sendOwn(200, answer)
    } catch (thrown) {
      refuse(deps, client, thrown)
    }
  }
