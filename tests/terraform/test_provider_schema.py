"""Every .tf file is also one for today's AWS provider, of which there is no binary here.

The engine that runs the other tests has a provider of 2021, which would take what has been removed
since.
"""

import re

import pytest

from tests.terraform import module_text, provider_schema
from tests.terraform.engine import ROOT
from tests.terraform.provider_schema import Schema

FILES = sorted(
    file
    for file in ROOT.rglob("*.tf")
    if not any(part.startswith(".") for part in file.relative_to(ROOT).parts)
)
TEXTS = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in FILES}
MADE_UP = {"aws_instance", "aws_s3_bucket", "aws_autoscaling_group", "data.aws_subnet_ids"}


@pytest.fixture(scope="module")
def schemas() -> dict[str, Schema]:
    used = {resource.kind for text in TEXTS.values() for resource in module_text.resources(text)}
    return provider_schema.schemas(used | MADE_UP)


def test_the_bindings_are_those_of_the_sixth_version() -> None:
    assert re.fullmatch(r"6\.\d+\.\d+", provider_schema.version())


def test_all_files_are_looked_at() -> None:
    assert {
        "image.tf",
        "main.tf",
        "network.tf",
        "role.tf",
        "outputs.tf",
        "bootstrap/main.tf",
    } <= TEXTS.keys()
    kinds = {each.kind for text in TEXTS.values() for each in module_text.resources(text)}
    assert {"aws_autoscaling_group", "aws_launch_template", "data.aws_ami"} <= kinds
    read = set().union(*(module_text.references(text) for text in TEXTS.values()))
    assert {
        ("aws_launch_template", "latest_version"),
        ("data.aws_ami", "root_device_name"),
        ("aws_autoscaling_group", "name"),
    } <= read


@pytest.mark.parametrize("file", TEXTS)
def test_a_file_knows_todays_provider(file: str, schemas: dict[str, Schema]) -> None:
    assert module_text.problems(TEXTS[file], schemas) == []


FAULTS = {
    "data.aws_subnet_ids.all: there is no data.aws_subnet_ids": """
    data "aws_subnet_ids" "all" {
      vpc_id = "vpc-1"
    }
    """,
    "aws_instance.one: there is no cpu_core_count": """
    resource "aws_instance" "one" {
      cpu_core_count = 2
    }
    """,
    "aws_autoscaling_group.one: there is no tags": """
    resource "aws_autoscaling_group" "one" {
      max_size = 1
      min_size = 0
      tags     = []
    }
    """,
    "aws_autoscaling_group.one: minSize is missing": """
    resource "aws_autoscaling_group" "one" {
      max_size = 1
    }
    """,
    "aws_s3_bucket.one.versioning: there is no enable": """
    resource "aws_s3_bucket" "one" {
      versioning {
        enable = true
      }
    }
    """,
    "aws_s3_bucket.one.bucket: is no block": """
    resource "aws_s3_bucket" "one" {
      bucket {
        name = "a"
      }
    }
    """,
    "aws_s3_bucket.one.versioning: there can only be one": """
    resource "aws_s3_bucket" "one" {
      versioning {
        enabled = true
      }
      versioning {
        enabled = true
      }
    }
    """,
    "aws_s3_bucket.one.lifecycle_rule.transition: there is no years": """
    resource "aws_s3_bucket" "one" {
      dynamic "lifecycle_rule" {
        for_each = ["a"]

        content {
          enabled = true

          transition {
            years         = 1
            storage_class = "GLACIER"
          }
        }
      }
    }
    """,
    "aws_s3_bucket.one.bucket: takes no list": """
    resource "aws_s3_bucket" "one" {
      bucket = ["a"]
    }
    """,
    "aws_instance: has no attribute address": """
    output "one" {
      value = aws_instance.one["a"].address
    }
    """,
    "aws_instance: has no attribute ip": """
    output "one" {
      value = { for key, it in aws_instance.all : key => it.ip }
    }
    """,
    "aws_instance: has no attribute owner": """
    resource "aws_instance" "one" {
      lifecycle {
        postcondition {
          condition     = self.owner != ""
          error_message = "An instance should have an owner."
        }
      }
    }
    """,
}


@pytest.mark.parametrize("problem", FAULTS)
def test_what_the_provider_lacks_is_found(problem: str, schemas: dict[str, Schema]) -> None:
    assert module_text.problems(FAULTS[problem], schemas) == [problem]


def test_what_the_provider_has_is_fine(schemas: dict[str, Schema]) -> None:
    text = """
    resource "aws_s3_bucket" "one" {
      count  = 2
      bucket = "a"
      tags   = { Name = "a" }

      versioning {
        enabled = true
      }
    }

    output "one" {
      value = [for bucket in aws_s3_bucket.one : bucket.arn]
    }
    """
    assert module_text.problems(text, schemas) == []
