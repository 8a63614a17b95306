/** Exit codes of this program; docs/reasons.md explains them to users. */
export const EXIT = {
  success: 0,
  unexpected: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  notAccepted: 5,
  unavailable: 6,
} as const
