/** Why the upstream answered a request although a live template matched it, in words. Pure. */

const TEXTS: Record<string, string> = {
  'no-credential': 'the request carries no credential',
  'credential-not-accepted':
    'the upstream has not accepted the caller’s credentials for this model lately',
  'several-choices': 'the request asks for several answers',
  logprobs: 'the request has top_logprobs without logprobs, or wants those of a model without any',
  tools: 'the request has tools that the template does not have',
  modality: 'the request asks for more than text',
  sampling: 'the request has a temperature over 1, a penalty or logit_bias',
  'unsupported-field': 'the request has a field that only the upstream can serve',
  'invalid-field': 'a field of the request has a value that the API does not take',
  'response-format': 'no answer can be checked against the response format',
  'kind-not-proven':
    'the proof had too few requests of this kind, or it was wrong too often with them',
  'ambiguous-members': 'the request can be read in two ways',
  'unknown-origin': 'the upstream has not yet answered a browser page of this origin',
  'upstream-refused-after-ours':
    'the upstream refused a request that continues an answer of the small model',
  'traffic-share': 'outside of the share of the traffic that it may answer',
  audit: 'drawn at random for an audit',
  'routes-too-old': 'the proxy could not check for minutes whether the route is still live',
  'credential-elsewhere':
    'the other model has an upstream of its own, which must not get the caller’s credential',
  'model-not-allowed': 'the caller’s key may not use the other model',
  'engine-missing': 'the engine is not configured',
  'engine-paused': 'the engine failed and is not asked for some seconds',
  'low-confidence': 'its confidence was below the threshold',
  withheld: 'it was wrong too often with this answer',
  deferred: 'it said that the upstream should answer',
  length: 'its answer was cut off at the token limit',
  empty: 'its answer was empty',
  'too-long': 'its answer was more than twice as long as the longest logged one',
  unbalanced: 'its code had open quotes or brackets',
  'invented-fact':
    'its answer stated a number, a name or another fact that neither the request nor the known answers have',
  'not-a-label': 'its answer was none of the labels',
  'not-a-call': 'its answer began like a function call but was not a valid one',
  'call-not-allowed': 'it called a function that the request does not allow',
  'call-missing': 'it answered with text where the request wants a call',
  'not-json': 'its answer was not JSON',
  'not-valid': 'its answer, or an argument of its call, did not fit the JSON schema',
  'no-logprobs': 'the engine did not give the probabilities that were needed',
  'engine-timeout': 'the engine was too slow',
  'engine-refused': 'the engine refused the request',
  'over-budget': 'the caller’s key has not the money for the answers of both models',
  'budget-spent': 'PROOF_USD was spent before it was asked',
  'no-second': 'the upstream gave no second answer, without which a judge is not asked',
  'record-gone': 'the request was deleted from the log',
  'engine-error': 'the engine, or the other model, failed or was refused',
  'route-gone': 'the route was removed meanwhile',
  'client-closed': 'the client left first',
  internal: 'a fault of the proxy',
}

/** @returns the reason itself where it is not known, as one of a newer proxy on the same database may be */
export const reasonText = (reason: string): string => TEXTS[reason] ?? reason
