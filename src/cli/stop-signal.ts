const SIGNALS = ['SIGTERM', 'SIGINT'] as const

const hear = (): { signal: AbortSignal; end: () => void } => {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  for (const name of SIGNALS) process.once(name, abort)
  const end = (): void => SIGNALS.forEach((name) => process.off(name, abort))
  return { signal: controller.signal, end }
}

/** Aborts on SIGTERM and SIGINT, for the life of the process. */
export const stopSignal = (): AbortSignal => hear().signal

/** Aborts on SIGTERM and SIGINT while the work runs; later ones end the process. */
export const whileHeard = async <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
  const { signal, end } = hear()
  try {
    return await work(signal)
  } finally {
    end()
  }
}
