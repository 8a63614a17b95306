/** Terms of an upstream on this machine, which has none. */
import { createTrainingTerms } from '../../../src/core/terms/terms.ts'

export const OWN_TERMS = createTrainingTerms({
  standard: { baseUrl: 'http://127.0.0.1:9/v1' },
  upstreams: [],
  consent: [],
})
