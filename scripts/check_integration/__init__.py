"""Finds what Home Assistant's and the catalogues' own checks would find, before they do.

hassfest comes with no package, so its rules for files are written down here anew, by the
validators of the installed Home Assistant wherever it has them.
"""

from typing import Final

from . import actions, brand, catalogue, dependencies, keys, manifest, scale, texts
from .repository import Check, Finding, Repository, UnreadableError, found

__all__ = ["CHECKS", "Check", "Finding", "Repository", "UnreadableError", "found"]

CHECKS: Final[tuple[Check, ...]] = (
    manifest.manifest_fits_its_schema,
    manifest.manifest_is_sorted,
    manifest.manifest_names_its_folder,
    manifest.flow_of_the_manifest_is_there,
    manifest.setup_takes_no_settings_from_yaml,
    dependencies.imports_are_declared,
    dependencies.declared_integrations_exist,
    texts.texts_fit_their_schema,
    texts.fields_are_described,
    texts.texts_are_plain,
    texts.texts_are_sorted,
    texts.languages_agree,
    texts.only_translations_hold_texts,
    keys.steps_have_texts,
    keys.endings_have_texts,
    keys.errors_have_texts,
    keys.exceptions_have_texts,
    keys.issues_have_texts,
    keys.entities_have_texts,
    keys.states_have_texts,
    keys.health_has_texts,
    actions.actions_are_listed,
    actions.action_fields_have_selectors,
    actions.actions_are_described,
    actions.icons_are_complete,
    brand.brand_images_are_taken,
    brand.brand_images_differ,
    catalogue.catalogue_entry_fits,
    catalogue.one_integration_lies_here,
    catalogue.readme_introduces_it,
    catalogue.licence_is_open,
    scale.every_rule_is_answered,
    scale.claimed_scale_is_earned,
)
