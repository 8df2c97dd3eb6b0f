/** One command that asks the platform, or with `--config` a participant's database. */

type Action = (...values: unknown[]) => Promise<void>;

export function either(platform: Action, participant: Action): Action {
  // Commander calls an action with the arguments, then the options, then itself.
  return (...values) => {
    const { config } = values.at(-2) as { readonly config?: string };
    return config === undefined ? platform(...values) : participant(...values);
  };
}
