import { AppError } from '../errors.ts'
import type { Lease } from './store.ts'

/** The error of a write under a lease that has passed on. */
export const lostLease = ({ name }: Lease): AppError =>
  new AppError('conflict', `the lease ${name} has passed on to another process`)
