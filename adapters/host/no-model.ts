/** An engine without a model of its own: an encoder that is put around it is all it has. */
import { AppError } from '../../src/errors.ts'
import type { EngineBackend } from './backend.ts'

const missing = (model: string): AppError =>
  new AppError('not-found', `the engine has no model ${model}`, { param: 'model' })

const refuse = (model: string): Promise<never> => Promise.reject(missing(model))

/** Every method throws AppError `not-found`. */
export const noModel: EngineBackend = {
  models: () => [],
  fingerprint(model) {
    throw missing(model)
  },
  validateTraining: refuse,
  train: ({ model }) => refuse(model),
  // oxlint-disable-next-line require-yield -- it has nothing to give
  async *complete({ model }) {
    throw missing(model)
  },
  loss: refuse,
  countTokens: refuse,
  deleteModel: refuse,
  close: async () => {},
}
