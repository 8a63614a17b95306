import { AppError } from '../../src/errors.ts'

/** @param param the member of the request that is at fault */
export const invalidRequest = (message: string, param: string): AppError =>
  new AppError('invalid-request', message, { param })
