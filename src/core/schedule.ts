/** How much of the template and of the examples each stage's prompt still has. */
export type ScheduleName =
  'linear' | 'exponential' | 'inverse-exponential' | 'single-stage' | 'full-prompt'
