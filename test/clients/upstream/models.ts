/** The models that the mock has. */
import { CREATED, json, Refusal, type Answer, type Call } from './wire.ts'

const MODELS = ['gpt-4o-mini', 'gpt-4o', 'gpt-4o-audio-preview', 'text-embedding-3-small'].map(
  (id) => ({ id, object: 'model', created: CREATED, owned_by: 'system' })
)

/** @throws Refusal 404 */
export const requireModel = (id: string) => {
  const model = MODELS.find((known) => known.id === id)
  if (model) return model
  throw new Refusal(404, `The model '${id}' does not exist`, 'model_not_found', 'model')
}

export const listModels = (): Answer => json({ object: 'list', data: MODELS })

export const getModel = ({ parts: [id = ''] }: Call): Answer => json(requireModel(id))
