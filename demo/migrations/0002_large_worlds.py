from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("demo", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="world",
            name="n_full_lives",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="world",
            name="full_lives_loaded_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
