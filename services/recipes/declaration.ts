import type { Declaration } from '../../erasure/declaration.js';

export const recipes: Declaration = {
  name: 'recipes',
  schemas: ['recipes'],
  letheSchema: 'lethe_recipes',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'recipes.ingredients': { action: 'delete' },
    'recipes.recipes': { action: 'delete' },
    'recipes.recipe_ingredients': { action: 'delete' },
    'recipes.recipe_sub_recipes': { action: 'delete' },
    'recipes.recipe_steps': { action: 'delete' },
    'recipes.recipe_step_photos': { action: 'delete' },
    'recipes.photo_annotations': { action: 'delete' },
    'recipes.recipe_versions': { action: 'delete' },
  },
  references: {
    // A variant is a recipe of its own, and may be of another bakery's: it then stays, and forgets what it came from.
    'recipes.recipes.based_on_id': 'reference',
  },
};
