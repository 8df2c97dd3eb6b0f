/** A service's migrations meet archives of tenants who are staged meanwhile: every row has to be able to come back. */
import { describe, expect, it } from 'vitest';
import { declarations } from '../../../services/registry.js';
import { differencesThroughMigrations, youngerMigrations } from '../../support/through-migrations.js';

const migrated = declarations.map(({ name }) => name).filter((name) => youngerMigrations(name).length > 0);

describe('an open archive', () => {
  it('comes back through every migration of this repository that is younger than the first ones', async () => {
    for (const service of migrated) {
      expect([service, await differencesThroughMigrations(service)]).toEqual([service, []]);
    }
  });

  it('comes back through columns that are renamed and added, each value where it was', async () => {
    const migration = `
      ALTER TABLE recipes.recipes RENAME COLUMN name TO title;
      ALTER TABLE recipes.recipes ADD COLUMN servings integer NOT NULL DEFAULT 4;
      ALTER TABLE recipes.ingredients RENAME TO pantry;
      ALTER TABLE recipes.pantry RENAME TO ingredients;`;
    expect(await differencesThroughMigrations('recipes', migration)).toEqual([]);
  });

  it.each([
    ['a column is dropped', 'ALTER TABLE recipes.ingredients DROP COLUMN nutrition', 'nutrition'],
    [
      'a column is required that no archived row has',
      'ALTER TABLE recipes.recipes ADD COLUMN baker text NOT NULL',
      'baker',
    ],
  ])('does not where %s: this test would fail', async (_, migration, named) => {
    await expect(differencesThroughMigrations('recipes', migration)).rejects.toMatchObject({
      code: 'restore_conflict',
      message: expect.stringContaining(named),
    });
  });
});
